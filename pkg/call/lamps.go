package call

import "github.com/centrala/centrala/pkg/sip"

// Lamps of other phones show what a device does (RFC 4235): each leg of a device
// is one dialog of it. The stack keeps who watches and tells them.

// lit is what a leg's dialog said of itself on the dialog's own goroutine.
type lit struct{ local, remote string }

// tagsOf reads the tags of an outgoing leg's dialog when they are there; only
// inside its sink.
func (l *legHandle) tagsOf(ev sip.DialogEvent) (t lit) {
	switch ev.(type) {
	case sip.Progressed, sip.Answered:
		if d := l.lampDialog.Load(); d != nil {
			t.local, t.remote = d.Tags()
		}
	}
	return t
}

// light changes what is shown of a leg's device.
func (m *Manager) light(tenant string, l *legHandle, change func(*sip.DialogInfo)) {
	if l.device == "" {
		return
	}
	m.mu.Lock()
	before := l.lamp
	change(&l.lamp)
	same := before == l.lamp
	m.mu.Unlock()
	if !same {
		m.tellLamps(tenant, l.device)
	}
}

// tellLamps hands the dialogs of a device to the stack. lampMu, one of a few by
// device, keeps what is told of one device in order; it is held over no other
// owner's work.
func (m *Manager) tellLamps(tenant, device string) {
	if m.deps.SIP == nil || device == "" {
		return
	}
	key := tenant + "/" + device
	order := &m.lampMu[groupOf(key)%uint64(len(m.lampMu))]
	order.Lock()
	defer order.Unlock()
	m.mu.Lock()
	legs := m.devices[key]
	list := make([]sip.DialogInfo, 0, len(legs))
	for _, l := range legs {
		list = append(list, l.lamp)
	}
	m.mu.Unlock()
	m.deps.SIP.SetDeviceState(tenant, device, list)
}

// lampOf is the lamp of a new leg: dialled by the device (initiator), or calling it.
func lampOf(l *legHandle, initiator bool, name, number string) sip.DialogInfo {
	d := sip.DialogInfo{ID: l.dialog.SIPCallID(), CallID: l.dialog.SIPCallID(), State: sip.DialogTrying, Initiator: initiator, RemoteName: name}
	if number != "" {
		d.RemoteURI = "sip:" + number
	}
	return d
}

// show follows a leg's dialog on its device's lamp.
func (o *owner) show(l *legHandle, ev sip.DialogEvent, t lit) {
	o.mgr.light(o.tenant, l, func(d *sip.DialogInfo) {
		if t.remote != "" {
			d.LocalTag, d.RemoteTag = t.remote, t.local // the phone's own tag is the peer's
		}
		switch ev.(type) {
		case sip.Progressed:
			d.State = sip.DialogEarly
		case sip.Answered, sip.Confirmed:
			d.State = sip.DialogConfirmed
		}
	})
}
