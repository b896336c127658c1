package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/sip/dialog"
)

// TestReliableOverTheWire: 183 with 100rel is repeated until its PRACK, the 200
// waits for it and has no body.
func TestReliableOverTheWire(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		b.h.invite = func(in *Invitation) {
			in.Dialog.SetSink(e.sink)
			in.Dialog.Progress(183, sdpB)
			in.Dialog.Accept(sdpB)
		}
		b.send(text("INVITE", "a", "", 1, "Require: 100rel", string(sdpA)))
		m := b.want("SIP/2.0 183")
		if again := b.want("SIP/2.0 183"); again != m || header(m, "Require") != "100rel" || !strings.HasSuffix(m, string(sdpB)) {
			t.Errorf("%s\n%s", m, again)
		}
		tag := tagOf(m)
		b.send(text("PRACK", "b", tag, 2, "RAck: 1 1 INVITE"))
		b.want("SIP/2.0 481")
		b.send(text("PRACK", "c", tag, 3, "RAck: "+header(m, "RSeq")+" 1 INVITE"))
		b.want("SIP/2.0 200")
		m = b.want("SIP/2.0 200")
		if header(m, "Content-Length") != "0" {
			t.Error(m)
		}
		b.send(text("ACK", "d", tag, 1))
		next[Confirmed](t, e)
		b.send(text("BYE", "e", tag, 4))
		b.want("SIP/2.0 200")
		next[Ended](t, e)
		b.empty()
	})
}

// TestNoPRACK: 504, and nothing is left.
func TestNoPRACK(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		b.h.invite = func(in *Invitation) { in.Dialog.SetSink(e.sink); in.Dialog.Progress(180, nil) }
		b.send(text("INVITE", "a", "", 1, "Require: 100rel", string(sdpA)))
		for range 7 { // 0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5 s
			b.want("SIP/2.0 180")
		}
		m := b.want("SIP/2.0 504")
		b.send(text("ACK", "a", tagOf(m), 1))
		if ev := next[Ended](t, e); ev.By != EndTimeout || ev.Code != 504 {
			t.Errorf("%+v", ev)
		}
		b.empty()
	})
}

// TestSessionTimerOverTheWire: what the node file says reaches the peer; a peer
// that refreshes no more is hung up.
func TestSessionTimerOverTheWire(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		b.h.invite = func(in *Invitation) { in.Dialog.SetSink(e.sink); in.Dialog.Accept(sdpB) }
		b.send(text("INVITE", "z", "", 1, "Supported: timer", "Session-Expires: 120", string(sdpA)))
		if m := b.want("SIP/2.0 422"); header(m, "Min-SE") != "300" {
			t.Error(m)
		} else {
			b.send(text("ACK", "z", tagOf(m), 1))
		}
		b.send(text("INVITE", "a", "", 2, "Supported: timer", "Session-Expires: 3600;refresher=uac", "Min-SE: 300", string(sdpA)))
		m := b.want("SIP/2.0 200")
		if header(m, "Session-Expires") != "600;refresher=uac" || header(m, "Require") != "timer" {
			t.Error(m)
		}
		tag := tagOf(m)
		b.send(text("ACK", "b", tag, 2))
		next[Confirmed](t, e)
		time.Sleep(500 * time.Second)
		b.send(text("UPDATE", "c", tag, 3, "Supported: timer", "Session-Expires: 600;refresher=uac"))
		b.want("SIP/2.0 200")
		time.Sleep(560 * time.Second)
		b.silence(7 * time.Second)
		m = b.want("BYE ") // 32 s before the end
		if ev := next[Ended](t, e); ev.By != EndTimeout {
			t.Errorf("%+v", ev)
		}
		b.send("SIP/2.0 200 OK\r\nVia: " + header(m, "Via") + "\r\nFrom: " + header(m, "From") + "\r\nTo: " + header(m, "To") +
			"\r\nCall-ID: " + header(m, "Call-ID") + "\r\nCSeq: " + header(m, "CSeq") + "\r\nContent-Length: 0\r\n\r\n")
		b.empty()
	}, func(c *Config, _ *Deps) { c.SessionExpires, c.MinSE = 600*time.Second, 300*time.Second })
}

// talking is a call of the peer that was answered; our tag.
func (b *bench) talking(e *events) (*Dialog, string) {
	b.t.Helper()
	var d *Dialog
	b.h.invite = func(in *Invitation) { d = in.Dialog; d.SetSink(e.sink); d.Accept(sdpB) }
	b.send(text("INVITE", "t1", "", 1, string(sdpA)))
	tag := tagOf(b.want("SIP/2.0 200"))
	b.send(text("ACK", "t2", tag, 1))
	next[Confirmed](b.t, e)
	return d, tag
}

// TestReferrerHangsUp behind the 202: the NOTIFYs go on, then nothing is left.
func TestReferrerHangsUp(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		d, tag := b.talking(e)
		b.send(text("REFER", "r", tag, 2, "Refer-To: <sip:200@192.0.2.1?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db>", "Referred-By: <sip:user1@h>"))
		if ev := next[Referred](t, e); ev.To != "sip:200@192.0.2.1" || ev.Replaces == nil || ev.Replaces.FromTag != "b" || ev.ReferredBy != "sip:user1@h" {
			t.Errorf("%+v", ev)
		}
		d.AcceptRefer()
		b.want("SIP/2.0 202")
		b.send(text("BYE", "s", tag, 3))
		var n string
		for range 2 { // the answer and the first NOTIFY, whichever is first
			if m := b.w.read(time.Minute); strings.HasPrefix(m, "NOTIFY") {
				n = m
			} else if !strings.HasPrefix(m, "SIP/2.0 200") {
				t.Fatal(m)
			}
		}
		next[Ended](t, e)
		ok := func(m string) {
			b.send("SIP/2.0 200 OK\r\nVia: " + header(m, "Via") + "\r\nFrom: " + header(m, "From") + "\r\nTo: " + header(m, "To") +
				"\r\nCall-ID: " + header(m, "Call-ID") + "\r\nCSeq: " + header(m, "CSeq") + "\r\nContent-Length: 0\r\n\r\n")
		}
		ok(n)
		d.NotifyRefer(180, "")
		n = b.notified("200 OK")
		if !strings.HasSuffix(n, "SIP/2.0 180 Ringing\r\n") || !strings.HasPrefix(header(n, "Subscription-State"), "active") {
			t.Error(n)
		}
		d.NotifyRefer(200, "")
		n = b.notified("200 OK")
		if !strings.HasSuffix(n, "SIP/2.0 200 OK\r\n") || header(n, "Subscription-State") != "terminated;reason=noresource" {
			t.Error(n)
		}
		d.NotifyRefer(486, "")
		d.End("")
		b.silence(time.Second)
		b.empty()
	})
}

// TestReplacesInvite: who may take over which call.
func TestReplacesInvite(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		old, tag := b.talking(e)
		var got *ReplacedDialog
		b.h.invite = func(in *Invitation) { got = in.Replaces; in.Dialog.Reject(486, "") }
		ask := func(n int, headers ...string) string {
			t.Helper()
			got = nil
			m := strings.Replace(text("INVITE", fmt.Sprint("n", n), "", 1, append(headers, string(sdpA))...), "call1@peer", fmt.Sprint("other", n), 1)
			b.send(m)
			if m = b.want("SIP/2.0 "); code(m) == "100" { // the dialog is another owner's
				m = b.want("SIP/2.0 ")
			}
			b.send(strings.Replace(text("ACK", fmt.Sprint("n", n), tagOf(m), 1), "call1@peer", fmt.Sprint("other", n), 1))
			return code(m)
		}
		name := "Replaces: call1@peer;to-tag=" + tag + ";from-tag=ft"
		if c := ask(1, name, "Require: replaces"); c != "486" || got == nil || got.Dialog != old || got.Early {
			t.Errorf("%s %+v", c, got)
		}
		if c := ask(2, name+";early-only"); c != "486" || got != nil {
			t.Errorf("early-only of a call in conversation: %s %+v", c, got)
		}
		if c := ask(3, "Replaces: call1@peer;to-tag="+tag+";from-tag=xx"); c != "481" || got != nil {
			t.Errorf("wrong tag: %s %+v", c, got)
		}
		if c := ask(4, "Replaces: nobody;to-tag="+tag+";from-tag=ft"); c != "481" || got != nil {
			t.Errorf("unknown: %s %+v", c, got)
		}
		b.send(strings.Replace(text("INVITE", "two", "", 1, name, name, string(sdpA)), "call1@peer", "two", 1))
		b.want("SIP/2.0 400")
		found := make(chan *Dialog, 1)
		look := func(tenant string) *Dialog {
			b.s.FindReplaced(tenant, Replaces{CallID: "call1@peer", ToTag: tag, FromTag: "ft"}, func(d *Dialog, _ bool) { found <- d })
			return <-found
		}
		if look("default") != old || look("other") != nil || look("") != nil {
			t.Error("FindReplaced")
		}
		// Of another trunk: it learns no difference to a call that is not there.
		old.sh.do(func() { old.with.name = "south" })
		if c := ask(5, name); c != "481" || got != nil {
			t.Errorf("another trunk's: %s %+v", c, got)
		}
		b.send(text("BYE", "e", tag, 4))
		b.want("SIP/2.0 200")
		next[Ended](t, e)
		if c := ask(6, name); c != "481" || got != nil {
			t.Errorf("over: %s %+v", c, got)
		}
		b.empty()
	})
}

// TestCompletedElsewhere, both ways.
func TestCompletedElsewhere(t *testing.T) {
	run(t, true, func(b *bench) {
		e := newEvents()
		b.h.invite = func(in *Invitation) { in.Dialog.SetSink(e.sink); in.Dialog.Progress(180, nil) }
		b.send(text("INVITE", "a", "", 1, string(sdpA)))
		b.want("SIP/2.0 180")
		b.send(text("CANCEL", "a", "", 1, "Reason: SIP;cause=200;text=\"Call completed elsewhere\""))
		b.want("SIP/2.0 200")
		b.want("SIP/2.0 487")
		if ev := next[Ended](t, e); !ev.Elsewhere() || ev.Reason != dialog.Elsewhere {
			t.Errorf("%+v", ev)
		}
		b.send(text("ACK", "a", "x", 1))

		out := newEvents()
		target, _ := ParseTarget("sip:user1@" + peerAddr)
		d, err := b.s.Dial(DialRequest{Target: target, From: Address{User: "1000"}, SDP: sdpA}, out.sink)
		if err != nil {
			t.Fatal(err)
		}
		m := b.want("INVITE ")
		back := func(line, m, tag string) {
			b.send("SIP/2.0 " + line + "\r\nVia: " + header(m, "Via") + "\r\nFrom: " + header(m, "From") + "\r\nTo: " + header(m, "To") + tag +
				"\r\nCall-ID: " + header(m, "Call-ID") + "\r\nCSeq: " + header(m, "CSeq") + "\r\nContact: <sip:user1@" + peerAddr + ">\r\nContent-Length: 0\r\n\r\n")
		}
		back("180 Ringing", m, ";tag=z")
		next[Progressed](t, out)
		d.End(Elsewhere)
		c := b.want("CANCEL ")
		if header(c, "Reason") != dialog.Elsewhere {
			t.Error(c)
		}
		back("200 OK", c, ";tag=z")
		back("487 Request Terminated", m, ";tag=z")
		b.want("ACK ")
		next[Ended](t, out)
		b.empty()
	})
}
