package call

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/route"
	"github.com/centrala/centrala/pkg/sip"
)

// redirects lists what the journal says of 3xx: 0 for each that was followed.
func redirects(s *score) []int {
	var out []int
	for _, e := range s.all {
		if j, ok := e.(Journal); ok {
			if r, ok := j.Body.(event.LegRedirected); ok {
				out = append(out, r.Refused)
			}
		}
	}
	return out
}

// TestRedirectOfAPhone: a 302 is followed as a call of that phone, or is 480.
func TestRedirectOfAPhone(t *testing.T) {
	toPhone := route.Target{Kind: route.Device, Name: "201"}
	moved := func(leg int, to route.Target, refuse int) LegRefused {
		return LegRefused{Leg: leg, Code: 302, Reason: event.ReasonUnreachable, To: "x", Target: to, Refuse: refuse}
	}
	ring := func(s *score, devices ...string) {
		for _, d := range devices {
			s.do(DialStarted{Legs: []LegInfo{{Device: d}}})
		}
	}
	tests := []struct {
		name string
		play func(s *score)
		want []int
	}{
		{"to another phone", func(s *score) {
			s.do(moved(1, route.Target{Kind: route.Device, Name: "202"}, 0))
			s.want("journal leg.redirected", "DialDevice 202")
			ring(s, "202")
			s.do(LegPickedUp{Leg: 2})
			s.want("AnswerCaller", "Bridge 0-2")
		}, []int{0}},
		{"outside, with the second trunk behind the first", func(s *score) {
			s.do(moved(1, twoTrunks, 0))
			s.want("DialTrunk north 123")
			s.never("DialTrunk south 0123")
			s.do(DialStarted{Legs: []LegInfo{{Trunk: "north", Number: "123"}}})
			s.do(LegRefused{Leg: 2, Code: 503, Reason: event.ReasonUnreachable, Next: true})
			s.want("DialTrunk south 0123")
		}, []int{0}},
		{"not allowed", func(s *score) {
			s.do(moved(1, route.Target{}, 403))
			s.want("journal leg.redirected", "Reject 480")
		}, []int{403}},
		{"to a feature code", func(s *score) {
			s.do(moved(1, route.Target{Kind: route.Feature, Feature: route.FeaturePark}, 0))
			s.want("Reject 480")
		}, []int{480}},
		{"to a queue", func(s *score) {
			s.do(moved(1, toSales, 0))
			s.want("AnswerCaller", "segment waiting", "acd.Enter")
		}, []int{0}},
		{"what it leads to is busy", func(s *score) {
			s.do(moved(1, route.Target{Kind: route.Device, Name: "202"}, 0))
			ring(s, "202")
			s.do(LegRefused{Leg: 2, Code: 486, Reason: event.ReasonBusy})
			s.want("Reject 486")
		}, []int{0}},
		{"phones that forward to each other", func(s *score) {
			for leg := 1; leg <= maxRedirects+1; leg++ {
				s.do(moved(leg, toPhone, 0))
				if leg <= maxRedirects {
					s.want("DialDevice 201")
					ring(s, "201")
				}
			}
			s.want("Reject 480")
			s.never("DialDevice 201")
		}, []int{0, 0, 0, 0, 0, 483}},
		{"the caller has gone meanwhile", func(s *score) {
			s.do(LegGone{Leg: 0, Remote: true})
			s.log = nil
			s.do(moved(1, toPhone, 0))
			s.never("DialDevice 201")
		}, nil},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, house, toPhone)
			ring(s, "201")
			s.log = nil
			c.play(s)
			if got := redirects(s); !slices.Equal(got, c.want) {
				t.Errorf("journal: %v, want %v", got, c.want)
			}
		})
	}
	t.Run("one of two contacts", func(t *testing.T) {
		s := start(t, house, toPhone)
		s.do(DialStarted{Legs: []LegInfo{{Device: "201"}, {Device: "201"}}})
		s.log = nil
		s.do(moved(1, route.Target{Kind: route.Device, Name: "202"}, 0))
		s.never("DialDevice 202", "Reject 480", "EndLeg 2 answered elsewhere")
		s.do(LegRefused{Leg: 2, Code: 480, Reason: event.ReasonNoAnswer})
		s.want("DialDevice 202")
	})
	t.Run("a queue's offer is for the agent alone", func(t *testing.T) {
		s := start(t, house, toSales)
		s.do(offer("o1", "bob", "201", s))
		s.do(DialStarted{Legs: []LegInfo{{Device: "201", Agent: "bob"}}})
		s.log = nil
		s.do(moved(1, route.Target{Kind: route.Device, Name: "202"}, 0))
		s.want("journal leg.redirected", "acd.OfferFailed")
		s.never("DialDevice 202")
	})
	t.Run("in a transfer", func(t *testing.T) {
		s := talking(t)
		s.after(time.Second, TransferAsked{Leg: 1, Target: route.Target{Kind: route.Device, Name: "202"}, To: "202", By: "phone", Refer: true})
		s.do(DialStarted{Legs: []LegInfo{{Device: "202"}}})
		s.log = nil
		s.do(moved(2, toSales, 0))
		s.want("acd.Enter")
	})
}

// redirectHouse routes what a phone dials.
type redirectHouse struct {
	House
	err error
}

func (h redirectHouse) FromDevice(_ time.Time, device, dialled string) (route.Target, error) {
	return route.Target{Kind: route.Device, Name: device + ">" + dialled}, h.err
}

func TestRedirectIsRoutedAsThePhonesOwnCall(t *testing.T) {
	o := &owner{house: redirectHouse{}, mgr: &Manager{}, log: zap.NewNop()}
	var r LegRefused
	o.redirect("201", sip.Failed{Code: 302, Redirect: []string{"tel:+4", "sip:host.example", "sip:%0d@x", "sip:0900;x=y@203.0.113.9", "sip:202@x"}}, &r)
	if r.To != "0900" || r.Target.Name != "201>0900" || r.Refuse != 0 {
		t.Errorf("%+v", r)
	}
	o.house, r = redirectHouse{err: route.ErrForbidden}, LegRefused{}
	if o.redirect("201", sip.Failed{Code: 302, Redirect: []string{"sip:0900@x"}}, &r); r.Refuse != 403 {
		t.Errorf("%+v", r)
	}
	r = LegRefused{}
	if o.redirect("201", sip.Failed{Code: 305}, &r); r.To != "" {
		t.Errorf("%+v", r)
	}
}
