package sip

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Mutated messages of all kinds, at a stack that takes its sender for a trunk:
// whatever they start ends, and nothing of ours fails.
func TestNoise(t *testing.T) {
	reg := prometheus.NewRegistry()
	run(t, true, func(b *bench) {
		b.h.invite = func(in *Invitation) {
			if len(in.Dialled)%2 == 0 {
				in.Dialog.Reject(486, "")
			} else {
				in.Dialog.Accept(sdpB)
			}
		}
		seeds := []string{text("INVITE", "a", "", 1, string(sdpA)), text("OPTIONS", "b", "", 1), text("CANCEL", "a", "", 1),
			text("ACK", "a", "x", 1), register("user1", "c", 3, `Authorization: Digest username="user1", realm="centrala", nonce="x", uri="sip:a", response="00000000000000000000000000000000"`)}
		files, _ := filepath.Glob("testdata/torture/*.dat")
		for _, f := range files {
			m, _ := os.ReadFile(f)
			seeds = append(seeds, string(m))
		}
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 20000 {
			m := []byte(seeds[r.IntN(len(seeds))])
			for range r.IntN(4) {
				switch p := r.IntN(len(m)); r.IntN(4) {
				case 0:
					m[p] = byte(r.Uint32())
				case 1:
					m = append(m[:p], m[min(len(m), p+r.IntN(9)):]...)
				case 2:
					m = append(m[:p:p], append([]byte("\r\n;,<\"=:0 @")[:1+r.IntN(11)], m[p:]...)...)
				default:
					q := r.IntN(len(m))
					m = append(m[:p:p], m[q:]...)
				}
				if len(m) == 0 {
					m = []byte("x")
				}
			}
			b.send(string(m))
			if i%100 == 99 {
				time.Sleep(10 * time.Millisecond)
				for len(b.w.u.in) > 0 {
					<-b.w.u.in
				}
			}
		}
		b.s.deps.Handler.(*house).mu.Lock()
		b.h.invite = nil
		b.h.mu.Unlock()
		b.empty()
		for len(b.w.u.in) > 0 {
			<-b.w.u.in
		}
		b.send(text("OPTIONS", "alive", "", 1))
		b.want("SIP/2.0 200")
	}, func(_ *Config, d *Deps) { d.Registerer = reg })
	fams, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fams {
		for _, m := range f.Metric {
			if label(m, "reason") == "panic" && m.Counter.GetValue() != 0 {
				t.Errorf("%v panics", m.Counter.GetValue())
			}
		}
	}
	if len(fams) < 9 {
		t.Errorf("%d metrics", len(fams))
	}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.Label {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
