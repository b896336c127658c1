package store

import (
	"errors"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/sip/subscription"
)

func TestSubscriptionsSurviveARestart(t *testing.T) {
	path := file(t)
	s := open(t, path)
	a := subscription.Subscription{ID: subscription.ID{CallID: "c@x", Tag: "1"}, Subscriber: subscription.Key{Tenant: "default", Device: "anna"},
		Resource: subscription.Key{Tenant: "default", Device: "bob"}, Package: subscription.DialogEvent, RouteSet: []string{"sip:p;lr"},
		LocalCSeq: 7, Version: 3, Expires: t0.Add(time.Hour)}
	other := a
	other.Subscriber.Tenant, other.Resource.Tenant = "second", "second" // the same Call-ID and tag: a row of its own
	if err := s.SaveSubscriptions(t.Context(), []subscription.Subscription{a, other}); err != nil {
		t.Fatal(err)
	}
	a.LocalCSeq = 9
	if err := errors.Join(s.SaveSubscriptions(t.Context(), []subscription.Subscription{a}),
		s.DeleteSubscriptions(t.Context(), []subscription.Subscription{other, {}}), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, path).LoadSubscriptions(t.Context())
	if err != nil || len(got) != 1 || got[0].LocalCSeq != 9 || got[0].Subscriber != a.Subscriber || got[0].RouteSet[0] != "sip:p;lr" || !got[0].Expires.Equal(a.Expires) {
		t.Errorf("%+v %v", got, err)
	}
}
