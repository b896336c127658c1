package rtp

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pion/rtcp"
)

func voice() VoIP {
	return VoIP{LossRate: 1, DiscardRate: 2, BurstDensity: 3, GapDensity: 4, BurstMs: 500, GapMs: 6000, RoundTripMs: 70, EndSystemMs: 80,
		SignalLevel: -20, NoiseLevel: -70, EchoReturn: 55, Gmin: 16, R: 88, ExternalR: NotTold, MOSLQ: 41, MOSCQ: 40, RXConfig: 0xB0,
		BufferMs: 40, BufferMaxMs: 60, BufferAbsMaxMs: 200}
}

// TestXR: what we write pion/rtcp reads, and we read it back.
func TestXR(t *testing.T) {
	x := XR{SSRC: 1, Reference: true, NTP: NTP(t0), DLRR: true, Asker: 2, LRR: 33, DelLRR: 44, VoIP: true, Heard: 2, Voice: voice()}
	b := AppendReport(nil, Sender{SSRC: 1, CNAME: "x"}, Block{SSRC: 2}, true, false)
	b = AppendXR(b, x)
	if len(b) > MaxReport || len(b)%4 != 0 {
		t.Fatalf("%d bytes", len(b))
	}
	ps, err := rtcp.Unmarshal(b)
	if err != nil {
		t.Fatal(err)
	}
	xr := ps[len(ps)-1].(*rtcp.ExtendedReport)
	ref, dlrr, vm := xr.Reports[0].(*rtcp.ReceiverReferenceTimeReportBlock), xr.Reports[1].(*rtcp.DLRRReportBlock), xr.Reports[2].(*rtcp.VoIPMetricsReportBlock)
	if xr.SenderSSRC != 1 || ref.NTPTimestamp != x.NTP || dlrr.Reports[0] != (rtcp.DLRRReport{SSRC: 2, LastRR: 33, DLRR: 44}) {
		t.Errorf("%+v %+v", ref, dlrr)
	}
	if vm.SSRC != 2 || vm.LossRate != 1 || vm.GapDuration != 6000 || vm.RoundTripDelay != 70 || vm.NoiseLevel != 186 || vm.RFactor != 88 ||
		vm.MOSCQ != 40 || vm.JBNominal != 40 || vm.JBAbsMax != 200 {
		t.Errorf("%+v", vm)
	}
	r, err := ParseReport(b, 2)
	if err != nil || !r.RRT || r.RRTMid != uint32(x.NTP>>16) || !r.DLRR || r.LRR != 33 || r.DelLRR != 44 || !r.VoIP || r.Voice != voice() {
		t.Errorf("%+v %v", r, err)
	}
	if r, err = ParseReport(b, 3); err != nil || r.DLRR || r.VoIP || !r.RRT {
		t.Errorf("of another stream: %+v %v", r, err)
	}
	if got := AppendXR(nil, XR{SSRC: 1}); len(got) != 0 {
		t.Errorf("%d bytes of nothing", len(got))
	}
}

func TestBadRTCP(t *testing.T) {
	report := AppendReport(nil, Sender{SSRC: 1, CNAME: "x", Active: true}, Block{SSRC: 2}, true, true)
	with := func(f func(b []byte) []byte) []byte { return f(append([]byte(nil), report...)) }
	for name, b := range map[string][]byte{
		"empty":                   {},
		"four bytes":              report[:4],
		"begins with SDES":        report[52:],
		"version 1":               with(func(b []byte) []byte { b[0] = 0x41; return b }),
		"a count beyond the end":  with(func(b []byte) []byte { b[0] |= 0x1F; return b }),
		"a length beyond the end": with(func(b []byte) []byte { b[2] = 0xFF; return b }),
		"a length of nothing":     with(func(b []byte) []byte { b[3] = 0; return b }),
		"a byte too many":         with(func(b []byte) []byte { return append(b, 0) }),
		"cut in the middle":       report[:len(report)-2],
		"padding in the first":    with(func(b []byte) []byte { b[0] |= 0x20; return b }),
		"BYE of 31 without any":   with(func(b []byte) []byte { return append(b, 0x9F, typeBYE, 0, 0) }),
		"XR without SSRC":         with(func(b []byte) []byte { return append(b, 0x80, typeXR, 0, 0) }),
		"XR block too long":       with(func(b []byte) []byte { return append(b, 0x80, typeXR, 0, 2, 0, 0, 0, 1, 4, 0, 0, 9) }),
		"XR reference too short":  with(func(b []byte) []byte { return append(b, 0x80, typeXR, 0, 2, 0, 0, 0, 1, 4, 0, 0, 0) }),
		"padding of nothing":      with(func(b []byte) []byte { return append(b, 0xA0, typeBYE, 0, 1, 0, 0, 0, 0) }),
		"padding over all":        with(func(b []byte) []byte { return append(b, 0xA0, typeBYE, 0, 1, 0, 0, 0, 8) }),
	} {
		if r, err := ParseReport(b, 2); !errors.Is(err, ErrRTCP) || r != (Remote{}) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	for name, b := range map[string][]byte{
		"a type nobody knows": with(func(b []byte) []byte { return append(b, 0x80, 222, 0, 1, 1, 2, 3, 4) }),
		"an XR block unknown": with(func(b []byte) []byte { return append(b, 0x80, typeXR, 0, 3, 0, 0, 0, 1, 99, 0, 0, 1, 1, 2, 3, 4) }),
		"padding at the end":  with(func(b []byte) []byte { return append(b, 0xA0, typeBYE, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4) }),
	} {
		if r, err := ParseReport(b, 2); err != nil || !r.RR || !r.SR {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	// A BYE for somebody else is not the reporter's.
	other := append(append([]byte(nil), report[:len(report)-8]...), 0x81, typeBYE, 0, 1, 0, 0, 0, 77)
	if r, err := ParseReport(other, 2); err != nil || r.Bye {
		t.Errorf("%+v %v", r, err)
	}
}

// FuzzReport holds our reader against pion/rtcp: what both take means the same. Ours
// never tells of a block that is not there and never tells half of a bad packet.
func FuzzReport(f *testing.F) {
	s := Sender{SSRC: 1, CNAME: "x", Active: true}
	full := AppendReport(nil, s, Block{SSRC: 2, FractionLost: 255, Lost: 0x7FFFFF, HighestSeq: 1<<32 - 1, Jitter: 1<<32 - 1}, true, true)
	f.Add(full)
	f.Add(AppendReport(nil, Sender{SSRC: 1}, Block{}, false, false))
	f.Add(AppendXR(AppendReport(nil, s, Block{SSRC: 2}, true, false), XR{SSRC: 1, Reference: true, DLRR: true, Asker: 2, VoIP: true, Heard: 2, Voice: voice()}))
	f.Add([]byte{0x81, 200, 0xFF, 0xFF, 0, 0, 0, 0})
	f.Add([]byte{0x9F, 201, 0, 1, 0, 0, 0, 1})
	f.Add(append(append([]byte(nil), full...), 0xA0, 203, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReport(b, 2)
		if err != nil {
			if r != (Remote{}) {
				t.Fatalf("told of a bad packet: %+v", r)
			}
			return
		}
		want := Remote{SSRC: binary.BigEndian.Uint32(b[4:])}
		ps, err := rtcp.Unmarshal(b)
		if err != nil {
			return // it also reads what we pass over
		}
		for _, p := range ps {
			var blocks []rtcp.ReceptionReport
			switch p := p.(type) {
			case *rtcp.SenderReport:
				want.SR, want.SRSSRC, want.MidNTP, blocks = true, p.SSRC, uint32(p.NTPTime>>16), p.Reports
			case *rtcp.ReceiverReport:
				blocks = p.Reports
			}
			for _, x := range blocks {
				if x.SSRC == 2 {
					want.RR, want.Fraction, want.Highest, want.Jitter, want.LSR, want.DLSR = true, x.FractionLost, x.LastSequenceNumber, x.Jitter, x.LastSenderReport, x.Delay
					want.Lost = int32(x.TotalLost<<8) >> 8
				}
			}
		}
		got := r
		got.Bye, got.RRT, got.RRTMid, got.DLRR, got.LRR, got.DelLRR, got.VoIP, got.Voice = false, false, 0, false, 0, 0, false, VoIP{}
		if got != want {
			t.Fatalf("we read %+v, pion %+v", got, want)
		}
	})
}

// TestRuns: gaps are counted once each, also across the wrap and across sources.
func TestRuns(t *testing.T) {
	var r Receiver
	for i, seq := range []uint16{65530, 65531, 65534, 1, 2, 3, 10} {
		r.Take(ms(20*i), pk(7, seq, uint32(i)*160), true)
	}
	if r.Expected() != 17 || r.Received() != 7 || r.Runs() != 3 {
		t.Errorf("%d expected, %d runs", r.Expected(), r.Runs())
	}
	r.Take(ms(200), pk(8, 5, 0), true)
	r.Take(ms(220), pk(8, 7, 320), true)
	if r.Expected() != 20 || r.Runs() != 4 {
		t.Errorf("%d expected, %d runs", r.Expected(), r.Runs())
	}
}

// TestBursts: losses far apart are gaps, losses together are a burst (RFC 3611 4.7.2).
func TestBursts(t *testing.T) {
	run := func(lost func(i int) bool) (bd, gd uint8, bm, gm uint16) {
		var r Receiver
		for i := range 1000 {
			if !lost(i) {
				r.Take(ms(20*i), pk(7, uint16(i), uint32(i)*160), true)
			}
		}
		return r.Bursts(20)
	}
	if bd, gd, bm, gm := run(func(int) bool { return false }); bd != 0 || gd != 0 || bm != 0 || gm < 19900 {
		t.Errorf("no loss: %d %d %d %d", bd, gd, bm, gm)
	}
	// One of fifty: 256/50 = 5.
	if bd, gd, bm, _ := run(func(i int) bool { return i%50 == 49 }); gd < 4 || gd > 6 || bm > 100 {
		t.Errorf("single losses: %d %d %d", bd, gd, bm)
	}
	// Every second of twenty packets in a hundred: half is lost for 400 ms.
	if bd, gd, bm, gm := run(func(i int) bool { return i%100 >= 60 && i%100 < 80 && i%2 == 0 }); bd < 110 || bd > 150 || gd > 2 || bm < 300 || bm > 450 || gm < 1400 || gm > 1750 {
		t.Errorf("bursts: %d %d %d %d", bd, gd, bm, gm)
	}
}
