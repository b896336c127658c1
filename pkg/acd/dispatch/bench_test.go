package dispatch

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/event"
)

// BenchmarkEnterToOffer is the live road: a caller waits, an agent is free, and
// the call is told whom to ring. It must stay far below a millisecond.
func BenchmarkEnterToOffer(b *testing.B) {
	d := New(Config{Tenant: "acme", Journal: &nowhere{}})
	if err := d.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer d.Stop(context.Background())
	names := make([]string, 500)
	for i := range names {
		names[i] = fmt.Sprint("a", i)
	}
	d.Post(config(names...))
	for _, n := range names {
		d.Post(acd.LogIn{Agent: n})
	}
	box := make(chan acd.Offer, 1)
	sink := func(f acd.Effect) {
		if o, ok := f.(acd.Offer); ok {
			box <- o
		}
	}
	took := make([]time.Duration, 0, b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		id := fmt.Sprint("c", i)
		start := time.Now()
		d.Attach(id, sink)
		d.Post(acd.Enter{CallID: id, Queue: "sales"})
		o := <-box
		took = append(took, time.Since(start))
		d.Post(acd.OfferAccepted{OfferID: o.OfferID})
		d.Post(acd.CallEnded{Agent: o.Agent, CallID: id})
		d.Detach(id)
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-µs")
}

type nowhere struct{ paper }

func (*nowhere) Append(event.Event) {}
