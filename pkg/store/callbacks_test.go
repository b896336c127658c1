package store

import (
	"context"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
)

// TestCallbacksOutliveTheProcess: saved, replaced, forgotten, each tenant its own.
func TestCallbacksOutliveTheProcess(t *testing.T) {
	ctx, dir := context.Background(), file(t)
	s := open(t, dir)
	at := time.Date(2026, 11, 23, 12, 0, 0, 5, time.UTC)
	a := acd.Callback{ID: "a", Queue: "sales", Number: "+40211", Arrived: at, Asked: at.Add(time.Second), State: acd.CallbackWaiting, Order: 7, Need: "ro > 2"}
	b := acd.Callback{ID: "b", Queue: "sales", Number: "+40212", State: acd.CallbackResting, Next: at, Tries: 2}
	for tenant, list := range map[string][]acd.Callback{"acme": {a, b}, "other": {{ID: "a", Number: "1"}}} {
		if err := s.SaveCallbacks(ctx, tenant, list, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.State = acd.CallbackDialling
	if err := s.SaveCallbacks(ctx, "acme", []acd.Callback{a}, []string{"b", "never was"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	got, err := s.LoadCallbacks(ctx, "acme")
	if err != nil || len(got) != 1 || got[0] != a {
		t.Fatalf("%+v %v, want %+v", got, err, a)
	}
	if got, err = s.LoadCallbacks(ctx, "other"); err != nil || len(got) != 1 {
		t.Fatalf("%+v %v", got, err)
	}
}
