package dtmf

import (
	"math"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

type in struct {
	atMs   int
	ts     uint32
	marker bool
	e      Event
}

func TestReceiver(t *testing.T) {
	up := func(code uint8, dur uint16) Event { return Event{code, false, 10, dur} }
	end := func(code uint8, dur uint16) Event { return Event{code, true, 10, dur} }
	const wrap = math.MaxUint32 - 500
	tests := []struct {
		name     string
		in       []in
		expireMs int
		want     []Press
	}{
		{"end in three copies is one press", []in{{0, 9, true, up(5, 160)}, {20, 9, false, up(5, 320)}, {40, 9, false, end(5, 480)}, {41, 9, false, end(5, 480)}, {42, 9, false, end(5, 480)}}, 1000,
			[]Press{{'5', 60 * time.Millisecond}}},
		{"all but the last end copy lost", []in{{0, 9, false, end(11, 800)}}, 1000, []Press{{'#', 100 * time.Millisecond}}},
		{"the same key twice", []in{{0, 9, true, end(1, 160)}, {100, 809, true, end(1, 160)}}, 1000,
			[]Press{{'1', 20 * time.Millisecond}, {'1', 20 * time.Millisecond}}},
		{"end lost, closed by the next event", []in{{0, 9, true, up(1, 800)}, {200, 1609, true, up(2, 160)}, {220, 1609, false, end(2, 320)}}, 1000,
			[]Press{{'1', 100 * time.Millisecond}, {'2', 40 * time.Millisecond}}},
		{"end lost, and of the next only the end came", []in{{0, 9, true, up(1, 800)}, {200, 1609, false, end(2, 320)}}, 1000,
			[]Press{{'1', 100 * time.Millisecond}, {'2', 40 * time.Millisecond}}},
		{"end lost, closed by time", []in{{0, 9, true, up(10, 800)}}, 200, []Press{{'*', 100 * time.Millisecond}}},
		{"not yet closed by time", []in{{0, 9, true, up(10, 800)}}, 199, nil},
		{"end copies after time-out are no press", []in{{0, 9, true, up(10, 800)}, {300, 9, false, end(10, 800)}}, 1000, []Press{{'*', 100 * time.Millisecond}}},
		{"late copy of the event before", []in{{0, 9, true, end(1, 160)}, {100, 809, true, up(2, 160)}, {101, 9, false, end(1, 160)}, {120, 809, false, end(2, 320)}}, 1000,
			[]Press{{'1', 20 * time.Millisecond}, {'2', 40 * time.Millisecond}}},
		{"timestamp wraps between events", []in{{0, wrap, true, end(1, 160)}, {100, 299, true, end(2, 160)}, {101, wrap, false, end(1, 160)}}, 1000,
			[]Press{{'1', 20 * time.Millisecond}, {'2', 20 * time.Millisecond}}},
		{"reordered updates do not shorten", []in{{0, 9, true, up(3, 160)}, {20, 9, false, up(3, 480)}, {21, 9, false, up(3, 320)}}, 1000, []Press{{'3', 60 * time.Millisecond}}},
		{"a long press in two segments", []in{{0, 9, true, up(4, 0xFFFF)}, {20, 9 + 0xFFFF, false, up(4, 160)}, {40, 9 + 0xFFFF, false, end(4, 320)}, {41, 9 + 0xFFFF, false, end(4, 320)}}, 1000,
			[]Press{{'4', time.Duration(0xFFFF+320) * 125 * time.Microsecond}}},
		{"hook flash is no key", []in{{0, 9, true, end(16, 160)}}, 1000, nil},
		{"sender restarts its clock far back", []in{{0, 1 << 30, true, end(1, 160)}, {900, 77, true, end(2, 160)}}, 2000,
			[]Press{{'1', 20 * time.Millisecond}, {'2', 20 * time.Millisecond}}},
		{"another code under the same timestamp", []in{{0, 9, true, up(1, 160)}, {20, 9, false, end(2, 320)}, {40, 9, false, end(1, 480)}}, 1000, []Press{{'1', 60 * time.Millisecond}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Receiver
			var got []Press
			expire := func(ms int) {
				if p, ok := r.Expire(t0.Add(time.Duration(ms) * time.Millisecond)); ok {
					got = append(got, p)
				}
			}
			for _, x := range tt.in {
				if x.atMs > 250 {
					expire(x.atMs)
				}
				p, n, _ := r.Take(t0.Add(time.Duration(x.atMs)*time.Millisecond), x.ts, x.marker, x.e)
				got = append(got, p[:n]...)
			}
			expire(tt.expireMs)
			if len(got) != len(tt.want) {
				t.Fatalf("got %v, want %v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("press %d: %v, want %v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestReceiverReset(t *testing.T) {
	var r Receiver
	r.Take(t0, 5, true, Event{Code: 7, Duration: 800})
	if p, ok := r.Reset(); !ok || p != (Press{'7', 100 * time.Millisecond}) {
		t.Errorf("%v %v", p, ok)
	}
	// The new sender happens to use the same timestamp.
	if _, n, fresh := r.Take(t0, 5, true, Event{Code: 7, End: true, Duration: 160}); n != 1 || !fresh {
		t.Error("event of the new sender taken for a copy of the old one's")
	}
}

func TestSenderReceiver(t *testing.T) {
	var s Sender
	if n := s.Push("1x*#dD "); n != 5 {
		t.Fatalf("%d taken", n)
	}
	var r Receiver
	var got string
	ts, ends, marks := uint32(math.MaxUint32-1000), 0, 0
	for i := 0; s.Active(); i++ {
		step := s.Next(false)
		if step.Kind != StepEvent {
			continue
		}
		if step.First {
			ts += 3000
			marks++
		}
		if step.Event.End {
			ends++
		}
		var b [EventSize]byte
		PutEvent(b[:], step.Event)
		e, err := ParseEvent(b[:])
		if err != nil || e != step.Event {
			t.Fatalf("%v reads %v, %v", step.Event, e, err)
		}
		p, n, _ := r.Take(t0.Add(time.Duration(i)*20*time.Millisecond), ts, step.First, e)
		for _, p := range p[:n] {
			got += string(p.Key)
			if p.Duration != 120*time.Millisecond {
				t.Errorf("key %c: %v", p.Key, p.Duration)
			}
		}
	}
	if got != "1*#DD" || marks != 5 || ends != 15 {
		t.Errorf("heard %q, %d markers, %d end packets", got, marks, ends)
	}
	if step := s.Next(false); step.Kind != StepIdle {
		t.Errorf("after the last: %+v", step)
	}
	long := make([]byte, 1000)
	for i := range long {
		long[i] = '0'
	}
	if n := s.Push(string(long)); n != MaxQueue {
		t.Errorf("%d of a long string taken", n)
	}
}

func TestTone(t *testing.T) {
	power := func(pcm []int16, hz float64) float64 {
		var re, im float64
		for i, v := range pcm {
			re += float64(v) * math.Cos(2*math.Pi*hz*float64(i)/8000)
			im += float64(v) * math.Sin(2*math.Pi*hz*float64(i)/8000)
		}
		return math.Hypot(re, im) * 2 / float64(len(pcm)) // the peak
	}
	for code := range uint8(16) {
		pcm := make([]int16, 960)
		for pos := 0; pos < len(pcm); pos += 160 {
			Tone(pcm[pos:pos+160], code, pos)
		}
		lo, hi := Frequencies(code)
		for _, hz := range []float64{697, 770, 852, 941, 1209, 1336, 1477, 1633} {
			p := power(pcm, hz)
			if want := hz == lo || hz == hi; want != (p > 6000) {
				t.Errorf("code %d: %v Hz has peak %.0f", code, hz, p)
			}
		}
	}
	pcm := []int16{1, 2}
	if Tone(pcm, 16, 0); pcm[0] != 0 || pcm[1] != 0 {
		t.Error("no key makes a sound")
	}
	for key, want := range map[byte][2]float64{'1': {697, 1209}, '0': {941, 1336}, '#': {941, 1477}, '*': {941, 1209}, 'D': {941, 1633}, '9': {852, 1477}} {
		code, _ := Code(key)
		if lo, hi := Frequencies(code); lo != want[0] || hi != want[1] {
			t.Errorf("key %c: %v+%v", key, lo, hi)
		}
	}
}

// FuzzEvents: whatever comes, presses are keys, and there are never more of them
// than packets.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{5, 10, 0, 160, 0, 5, 0x8A, 1, 64, 0, 5, 0x8A, 1, 64, 0})
	f.Add([]byte{16, 0x80, 0xFF, 0xFF, 9, 1, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Receiver
		now, ts, presses, packets := t0, uint32(0), 0, 0
		check := func(p Press) {
			presses++
			if _, ok := Code(p.Key); !ok || p.Duration < 0 {
				t.Fatalf("press %v", p)
			}
		}
		for ; len(b) >= 5; b = b[5:] {
			e, err := ParseEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			var again [EventSize]byte
			PutEvent(again[:], e)
			if e2, _ := ParseEvent(again[:]); e2 != e {
				t.Fatalf("%v written reads %v", e, e2)
			}
			now = now.Add(time.Duration(b[4]>>4) * 20 * time.Millisecond)
			ts += uint32(int32(int8(b[4]<<4))) * 1000
			if p, ok := r.Expire(now); ok {
				check(p)
			}
			p, n, _ := r.Take(now, ts, b[4]&1 != 0, e)
			for _, p := range p[:n] {
				check(p)
			}
			packets++
		}
		if p, ok := r.Reset(); ok {
			check(p)
		}
		if presses > packets {
			t.Fatalf("%d presses from %d packets", presses, packets)
		}
	})
}
