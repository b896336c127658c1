package rtp

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/pion/rtcp"
	pion "github.com/pion/rtp"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ms(n int) time.Time { return t0.Add(time.Duration(n) * time.Millisecond) }

func TestParse(t *testing.T) {
	head := []byte{0x80, 0x88, 0xFF, 0xFF, 0, 0, 0, 1, 0xDE, 0xAD, 0xBE, 0xEF}
	with := func(first byte, rest ...byte) []byte {
		b := append(bytes.Clone(head), rest...)
		b[0] = first
		return b
	}
	tests := []struct {
		name     string
		b        []byte
		err      error
		off, end int
	}{
		{"plain", with(0x80, 1, 2), nil, 12, 14},
		{"empty payload", with(0x80), nil, 12, 12},
		{"short", head[:11], ErrShort, 0, 0},
		{"nothing", nil, ErrShort, 0, 0},
		{"version 1", with(0x40, 1), ErrVersion, 0, 0},
		{"csrc", with(0x81, 1, 2, 3, 4, 9), nil, 16, 17},
		{"csrc cut", with(0x8F, 1, 2, 3, 4), ErrShort, 0, 0},
		{"extension", with(0x90, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5, 9), nil, 20, 21},
		{"extension header cut", with(0x90, 0xBE, 0xDE), ErrShort, 0, 0},
		{"extension longer than the packet", with(0x90, 0xBE, 0xDE, 0xFF, 0xFF, 1), ErrShort, 0, 0},
		{"padding", with(0xA0, 1, 0, 0, 3), nil, 12, 13},
		{"all padding", with(0xA0, 0, 2), nil, 12, 12},
		{"padding zero", with(0xA0, 1, 0), ErrPadding, 0, 0},
		{"padding too long", with(0xA0, 1, 3), ErrPadding, 0, 0},
		{"padding of nothing", with(0xA0), ErrPadding, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p Packet
			if err := Parse(tt.b, &p); err != tt.err {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				return
			}
			want := Packet{Seq: 0xFFFF, TS: 1, SSRC: 0xDEADBEEF, Off: tt.off, End: tt.end, PT: 8, Marker: true}
			if p != want {
				t.Errorf("got %+v, want %+v", p, want)
			}
		})
	}
}

// FuzzParse holds the header reader against pion/rtp: same verdict on the fields,
// and what PutHeader writes reads back.
func FuzzParse(f *testing.F) {
	f.Add([]byte{0x80, 0x88, 0xFF, 0xFF, 0, 0, 0, 1, 0xDE, 0xAD, 0xBE, 0xEF, 1})
	f.Add([]byte{0xB1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0xBE, 0xDE, 0, 1, 0, 0, 0, 0, 7, 0, 2})
	f.Add([]byte{0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		err := Parse(b, &p)
		var q pion.Packet
		perr := q.Unmarshal(b)
		if err != nil {
			return
		}
		if p.Off < HeaderSize || p.Off > p.End || p.End > len(b) {
			t.Fatalf("payload %d:%d of %d bytes", p.Off, p.End, len(b))
		}
		if perr != nil {
			return // pion reads extension contents too, we do not
		}
		if q.SequenceNumber != p.Seq || q.Timestamp != p.TS || q.SSRC != p.SSRC || q.PayloadType != p.PT || q.Marker != p.Marker || !bytes.Equal(q.Payload, b[p.Off:p.End]) {
			t.Fatalf("pion reads %v, we %+v", q, p)
		}
		again := bytes.Clone(b)
		PutHeader(again[p.Off-HeaderSize:], p.PT, Stamp{p.SSRC, p.TS, p.Seq, p.Marker})
		var r Packet
		if err := Parse(again[p.Off-HeaderSize:p.End], &r); err != nil {
			t.Fatal(err)
		}
		r.Off, r.End = p.Off, p.End
		if r != p {
			t.Fatalf("written %+v reads %+v", p, r)
		}
	})
}

func pk(ssrc uint32, seq uint16, ts uint32) *Packet { return &Packet{SSRC: ssrc, Seq: seq, TS: ts} }

func TestLineRelayWraps(t *testing.T) {
	l := NewLine(42, 65534, math.MaxUint32-100)
	// The source wraps its sequence at another place than we do.
	in := uint16(65500)
	ts := uint32(math.MaxUint32 - 1000)
	var last Stamp
	for i := range 200 {
		s, ok := l.Relay(ms(20*i), pk(9, in, ts), 160)
		if !ok {
			t.Fatalf("packet %d refused", i)
		}
		if s.SSRC != 42 || s.Marker != (i == 0) {
			t.Fatalf("packet %d: %+v", i, s)
		}
		if i == 0 && (s.Seq != 65535 || s.TS != math.MaxUint32-100) {
			t.Fatalf("begins with %+v", s)
		}
		if i > 0 && (s.Seq != last.Seq+1 || s.TS != last.TS+160) {
			t.Fatalf("packet %d: %+v after %+v", i, s, last)
		}
		last = s
		in++
		ts += 160
	}
}

func TestLineKeepsGapsAndOrder(t *testing.T) {
	l := NewLine(1, 99, 0)
	send := func(seq uint16) (int, bool) {
		ts := uint32(160 * int32(int16(seq-65534))) // goes on when the number wraps
		s, ok := l.Relay(t0, pk(5, seq, ts), 160)
		return int(s.Seq), ok
	}
	for _, x := range []struct {
		in   uint16
		want int
	}{{65534, 100}, {1, 103}, {65535, 101}, {0, 102}, {1, 103}, {2, 104}, {40, 142}} {
		if got, ok := send(x.in); !ok || got != x.want {
			t.Errorf("in %d: out %d %v, want %d", x.in, got, ok, x.want)
		}
	}
	if _, ok := send(65533); ok {
		t.Error("a packet older than the switch took a number of the source before")
	}
}

// A phone that begins its timestamps anew with the same SSRC and numbers that go
// on, as some do after a hold: our line goes on by the wall clock.
func TestLineSurvivesALeapOfTheSender(t *testing.T) {
	for _, leap := range []uint32{1 << 20, 1 << 31, math.MaxUint32 - 1<<20, 8000 + 200} {
		l := NewLine(1, 0, 1000)
		l.Relay(ms(0), pk(5, 7, 70), 160)
		l.Relay(ms(20), pk(5, 8, 230), 160)
		if s, ok := l.Relay(ms(40), pk(5, 9, 390+leap), 160); !ok || s != (Stamp{1, 1320, 3, true}) {
			t.Fatalf("leap %d: %+v %v", leap, s, ok)
		}
		if s, ok := l.Relay(ms(60), pk(5, 10, 550+leap), 160); !ok || s != (Stamp{1, 1480, 4, false}) {
			t.Fatalf("after leap %d: %+v %v", leap, s, ok)
		}
		// Silence suppression: ten seconds without packets are no leap.
		if s, ok := l.Relay(ms(10060), pk(5, 11, 550+leap+80000), 160); !ok || s.TS != 1480+80000 || s.Marker {
			t.Fatalf("after silence: %+v %v", s, ok)
		}
	}
}

func TestLineSwitches(t *testing.T) {
	l := NewLine(1, 0, 1000)
	s, _ := l.Relay(ms(0), pk(5, 7, 70), 160)
	if s != (Stamp{1, 1000, 1, true}) {
		t.Fatalf("first: %+v", s)
	}
	// SSRC change 100 ms later: next number, marker, 800 ticks on.
	s, _ = l.Relay(ms(100), pk(6, 60000, 4e9), 160)
	if s != (Stamp{1, 1800, 2, true}) {
		t.Fatalf("new SSRC: %+v", s)
	}
	// A switch 5 ms later must not go back into the packet before (160 ticks).
	l.Cut()
	if s = l.Frame(ms(105), 160); s != (Stamp{1, 1960, 3, true}) {
		t.Fatalf("frame: %+v", s)
	}
	// Frames are back to back even when a tick is late.
	if s = l.Frame(ms(133), 160); s != (Stamp{1, 2120, 4, false}) {
		t.Fatalf("second frame: %+v", s)
	}
	// An event: three packets with one timestamp, then sound goes on behind it.
	e1 := l.Event(ms(153), true, 160)
	e2 := l.Event(ms(173), false, 320)
	if e1 != (Stamp{1, 2280, 5, true}) || e2 != (Stamp{1, 2280, 6, false}) {
		t.Fatalf("event: %+v %+v", e1, e2)
	}
	l.Cut()
	if s = l.Frame(ms(193), 160); s != (Stamp{1, 2600, 7, true}) {
		t.Fatalf("after the event: %+v", s)
	}
	if got := l.NowTS(ms(203)); got != 2680 {
		t.Errorf("timestamp of 10 ms later: %d", got)
	}
	// A clock that went back must not take the timestamp with it.
	l.Cut()
	if s = l.Frame(ms(0), 160); s.TS != 2760 {
		t.Errorf("clock back: %+v", s)
	}
}

// A tail stands right behind the newest packet, and the clock goes on as it was.
func TestLineTail(t *testing.T) {
	l := NewLine(1, 0, 1000)
	l.Frame(ms(0), 160)
	l.Cut()
	if s := l.Tail(160); s != (Stamp{1, 1160, 2, false}) || !l.IsCut() {
		t.Fatalf("tail: %+v", s)
	}
	if s := l.Frame(ms(100), 160); s != (Stamp{1, 1800, 3, true}) || !l.Joined() {
		t.Fatalf("after it: %+v", s)
	}
}

func TestLineEventRelayedKeepsWallClock(t *testing.T) {
	l := NewLine(1, 0, 0)
	l.Relay(ms(0), pk(5, 0, 0), 160)
	for i := range 25 { // an event of half a second, repeated timestamp
		l.Relay(ms(20+20*i), pk(5, uint16(1+i), 160), uint32(160+160*i))
	}
	l.Cut()
	if s := l.Frame(ms(520), 160); s.TS != 160+25*160 {
		t.Errorf("sound after the event begins at %d, inside it", s.TS)
	}
}

func TestReceiver(t *testing.T) {
	var r Receiver
	if _, ok := r.Report(); ok {
		t.Error("report of nothing")
	}
	take := func(i int, seq uint16) Verdict { return r.Take(ms(20*i), pk(7, seq, uint32(i)*160), true) }
	n := 0
	for seq := uint16(65530); seq != 10; seq++ { // 16 packets across the wrap
		want := Next
		if n == 0 {
			want = Fresh
		}
		if v := take(n, seq); v != want {
			t.Fatalf("seq %d: %v", seq, v)
		}
		n++
	}
	if r.Received() != 16 || r.Lost() != 0 || r.Jitter() != 0 {
		t.Fatalf("%d received, %d lost, jitter %v", r.Received(), r.Lost(), r.Jitter())
	}
	b, ok := r.Report()
	if !ok || b.HighestSeq != 65536+9 || b.Lost != 0 || b.FractionLost != 0 || b.SSRC != 7 {
		t.Errorf("block %+v", b)
	}
	// Four of eight lost: half of the interval.
	for _, seq := range []uint16{11, 13, 15, 17} {
		take(n, seq)
		n++
	}
	if b, _ = r.Report(); b.FractionLost != 128 || b.Lost != 4 {
		t.Errorf("block %+v", b)
	}
	// A late one comes, a doubled one lowers below.
	if v := take(n, 10); v != Late {
		t.Errorf("late packet is %v", v)
	}
	if v := take(n, 17); v != Late {
		t.Errorf("doubled packet is %v", v)
	}
	if r.Lost() != 2 {
		t.Errorf("lost %d, want 2", r.Lost())
	}
	if b, _ = r.Report(); b.FractionLost != 0 {
		t.Errorf("block %+v", b)
	}
}

func TestReceiverRestart(t *testing.T) {
	var r Receiver
	r.Take(t0, pk(7, 100, 0), true)
	if v := r.Take(t0, pk(7, 30000, 0), true); v != Wild {
		t.Errorf("a jump is %v", v)
	}
	if v := r.Take(t0, pk(7, 101, 0), true); v != Next {
		t.Errorf("after one stray packet: %v", v)
	}
	r.Take(t0, pk(7, 65535, 0), true)
	if v := r.Take(t0, pk(7, 0, 0), true); v != Fresh {
		t.Errorf("the second in sequence, across the wrap: %v", v)
	}
	if r.Received() != 3 || r.Lost() != 0 {
		t.Errorf("%d received, %d lost; a restart loses nothing", r.Received(), r.Lost())
	}
	// A new SSRC, the old one's loss is kept.
	r.Take(t0, pk(7, 5, 0), true) // 4 missing
	if v := r.Take(t0, pk(8, 5, 0), true); v != Fresh || r.Lost() != 4 || r.Received() != 5 {
		t.Errorf("%v: %d received, %d lost", v, r.Received(), r.Lost())
	}
	r.Resync()
	if r.Lost() != 4 || r.Received() != 5 {
		t.Errorf("after Resync: %d received, %d lost", r.Received(), r.Lost())
	}
	if v := r.Take(t0, pk(8, 50000, 0), true); v != Fresh || r.Lost() != 4 {
		t.Errorf("after hold: %v, %d lost", v, r.Lost())
	}
}

func TestReceiverJitter(t *testing.T) {
	var r Receiver
	// Timestamps wrap on the way; arrivals swing by 10 ms: |D| = 80 each time.
	ts := uint32(math.MaxUint32 - 5000)
	for i := range 2000 {
		at := ms(20 * i)
		if i%2 == 1 {
			at = at.Add(10 * time.Millisecond)
		}
		r.Take(at, &Packet{SSRC: 1, Seq: uint16(i), TS: ts}, true)
		ts += 160
	}
	if j := r.Jitter(); j < 9500*time.Microsecond || j > 10*time.Millisecond {
		t.Errorf("jitter %v, want 10 ms", j)
	}
	// Telephone-events repeat a timestamp for seconds: no jitter.
	before := r.Jitter()
	for i := range 100 {
		r.Take(ms(40000+50*i), &Packet{SSRC: 1, Seq: uint16(2000 + i), TS: ts}, false)
	}
	if r.Jitter() != before {
		t.Errorf("jitter %v from telephone-events", r.Jitter())
	}
}

func TestReports(t *testing.T) {
	s := Sender{SSRC: 1, CNAME: "abcdefghijklmnop", Active: true, NTP: NTP(t0), TS: 5, Packets: 6, Octets: 7}
	block := Block{SSRC: 2, FractionLost: 3, Lost: -5, HighestSeq: 70000, Jitter: 8, LSR: 9, DLSR: 10}
	for _, active := range []bool{true, false} {
		for _, has := range []bool{true, false} {
			for _, bye := range []bool{true, false} {
				s.Active = active
				b := AppendReport(nil, s, block, has, bye)
				if len(b) > MaxReport || len(b)%4 != 0 {
					t.Fatalf("%d bytes", len(b))
				}
				ps, err := rtcp.Unmarshal(b)
				if err != nil {
					t.Fatal(err)
				}
				c := rtcp.CompoundPacket(ps)
				if name, err := c.CNAME(); err != nil || name != s.CNAME {
					t.Errorf("CNAME %q %v", name, err)
				}
				if _, isBye := ps[len(ps)-1].(*rtcp.Goodbye); isBye != bye {
					t.Errorf("last packet %T", ps[len(ps)-1])
				}
				r, err := ParseReport(b, 2)
				if err != nil {
					t.Fatal(err)
				}
				want := Remote{SSRC: 1, RR: has, SR: active, Bye: bye}
				if has {
					want.Lost, want.Highest, want.Jitter, want.LSR, want.DLSR, want.Fraction = -5, 70000, 8, 9, 10, 3
				}
				if active {
					want.SRSSRC, want.MidNTP = 1, uint32(s.NTP>>16)
				}
				if r != want {
					t.Errorf("read %+v, want %+v", r, want)
				}
			}
		}
	}
	for n := range 40 { // all paddings of the CNAME
		s.CNAME = "0123456789012345678901234567890123456789"[:n]
		if _, err := rtcp.Unmarshal(AppendReport(nil, s, block, true, true)); err != nil {
			t.Errorf("CNAME of %d bytes: %v", n, err)
		}
	}
}

func TestRTT(t *testing.T) {
	lsr := uint32(NTP(t0) >> 16)
	if got, ok := RTT(ms(350), lsr, Delay(250*time.Millisecond)); !ok || (got-100*time.Millisecond).Abs() > time.Millisecond {
		t.Errorf("RTT %v %v", got, ok)
	}
	for name, dlsr := range map[string]uint32{"negative": Delay(time.Second), "absurd": math.MaxUint32 - 1<<23} {
		if got, ok := RTT(ms(350), lsr, dlsr); ok {
			t.Errorf("%s: RTT %v", name, got)
		}
	}
	if _, ok := RTT(t0, 0, 0); ok {
		t.Error("RTT without a report of ours")
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	b := append([]byte{0x91, 8, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4}, make([]byte, 160)...)
	var p Packet
	var r Receiver
	l := NewLine(1, 1, 1)
	buf := make([]byte, 0, MaxReport)
	if n := testing.AllocsPerRun(100, func() {
		if Parse(b, &p) != nil {
			t.Fatal("bad packet")
		}
		r.Take(t0, &p, true)
		s, _ := l.Relay(t0, &p, 160)
		PutHeader(b[p.Off-HeaderSize:], 8, s)
		b[0] = 0x91
		block, ok := r.Report()
		buf = AppendReport(buf[:0], Sender{CNAME: "abcdefghijklmnop", Active: true}, block, ok, true)
		if _, err := ParseReport(buf, 1); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
