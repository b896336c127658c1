package session

import "time"

// Alarm is what is wrong with the sound of two who should hear each other.
type Alarm uint8

// The alarms. In both, packets count, not what is in them: one who says nothing
// still sends.
const (
	NoAlarm Alarm = iota
	// OneWay: nothing comes from this leg while its partner sends.
	OneWay
	// BothSilent: nothing comes from either side.
	BothSilent
)

var alarmNames = [...]string{"", "one_way", "both_silent"}

// String is the alarm's word in events and metrics; "" for NoAlarm.
func (a Alarm) String() string { return alarmNames[a] }

// watch waits for sound of a leg that should speak.
type watch struct {
	since time.Time // when it began to be expected
	alarm Alarm
	from  time.Time // last packet before the alarm
}

// partners is who should hear l: that anybody should, when the newest packet of
// one of them came, and whether l is the one who tells when all are silent. Nobody
// expects sound of a leg on hold, of one that hears music or a prompt instead, of a
// conference's listeners, or of who is alone.
func (l *Leg) partners() (newest time.Time, first, any bool) {
	if !l.speaks() {
		return
	}
	first = true
	look := func(d *Leg) {
		if d == l || !d.speaks() {
			return
		}
		any = true
		first = first && l.id < d.id
		if d.lastRTP.After(newest) {
			newest = d.lastRTP
		}
	}
	switch {
	case l.peer != nil:
		look(l.peer)
	case l.member != nil && l.member.role.mode != listener:
		for _, m := range l.member.c.members {
			if m.role.mode != listener {
				look(m.l)
			}
		}
	}
	return newest, first, any
}

// speaks tells whether sound of l is expected at all.
func (l *Leg) speaks() bool { return l.p.Send && l.p.Recv && !l.player.active }

// guard raises and clears the alarms of l.
func (v *watch) guard(l *Leg, now time.Time) {
	newest, first, expected := l.partners()
	if !expected {
		v.since = time.Time{}
		v.turn(l, now, NoAlarm)
		return
	}
	if v.since.IsZero() {
		v.since = now
	}
	silent, other := now.Sub(later(l.lastRTP, v.since)), now.Sub(later(newest, v.since))
	switch {
	case silent < silentAfter || l.quietOK:
		v.turn(l, now, NoAlarm)
	case now.Sub(newest) < soundFresh:
		v.turn(l, now, OneWay)
	case other >= silentAfter && first:
		v.turn(l, now, BothSilent)
	case other >= silentAfter:
		v.turn(l, now, NoAlarm) // told by the first of them
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// turn tells of a change.
func (v *watch) turn(l *Leg, now time.Time, to Alarm) {
	if v.alarm == to {
		return
	}
	count := &l.w.count
	if v.alarm != NoAlarm {
		count.alarms[v.alarm]--
		l.tell(SoundBack{Alarm: v.alarm, Lasted: now.Sub(v.from)})
	}
	v.alarm = to
	if to != NoAlarm {
		v.from = later(l.lastRTP, v.since)
		count.alarms[to]++
		count.alarmsTotal[to]++
		l.tell(NoSound{Alarm: to, Silence: now.Sub(v.from)})
	}
}
