//go:build linux && bench

package opus

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// law is A-law by tables, as package codec has it, which imports this one.
var law struct {
	code   [1 << 16]byte
	linear [256]int16
}

func init() {
	for v := range law.linear { // G.711 table 1
		a := v ^ 0x55
		t, seg := a&15<<4, a&0x70>>4
		if t += 8; seg > 0 {
			t += 0x100
		}
		if seg > 1 {
			t <<= seg - 1
		}
		if a&0x80 == 0 {
			t = -t
		}
		law.linear[v] = int16(t)
	}
	for i := range law.code {
		best := math.MaxInt
		for v, t := range law.linear {
			if d := max(int(t)-int(int16(i)), int(int16(i))-int(t)); d < best {
				best, law.code[i] = d, byte(v)
			}
		}
	}
}

// TestOpusCost compares the CPU of a frame in each form of the library with that of
// Debian's libopus in a program in C (testdata/opus.c), turn by turn in one run and
// with the settings in use between Opus and G.711 (8 kHz) and between Opus and
// wideband (16 kHz); 48 kHz for comparison. The targets are 1.3 times the C program
// where the system's library is loaded (build tag libopus) and 2 times in the static
// binary.
//
//	go test -tags bench,libopus -run '^TestOpusCost$' -v ./media/codec/opus
//
// OPUS_TURNS (5) and OPUS_JSON (a file for the figures) are options. It needs cc and
// libopus-dev.
func TestOpusCost(t *testing.T) {
	program := filepath.Join(t.TempDir(), "opus")
	if out, err := exec.Command("cc", "-O2", "-o", program, "testdata/opus.c", "-lopus").CombinedOutput(); err != nil {
		t.Skipf("testdata/opus.c cannot be compiled (cc, libopus-dev): %v %s", err, out)
	}
	turns := 5
	if n, err := strconv.Atoi(os.Getenv("OPUS_TURNS")); err == nil {
		turns = n
	}
	all := map[string]map[string]float64{}
	for _, rate := range []int{8000, 16000, 48000} {
		const seconds, loss = 10, 5
		pcm, low := voice(rate, seconds*rate), voice(8000, seconds*8000)
		raw := make([]byte, 0, 2*(len(pcm)+len(low)))
		for _, part := range [][]int16{pcm, low} {
			for _, s := range part {
				raw = binary.LittleEndian.AppendUint16(raw, uint16(s))
			}
		}
		file := filepath.Join(t.TempDir(), "pcm")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		best := map[string]map[string]float64{}
		least := func(who, what string, ns float64) {
			if best[who] == nil {
				best[who] = map[string]float64{}
			}
			if was, ok := best[who][what]; !ok || ns < was {
				best[who][what] = ns
			}
		}
		for range turns {
			out, err := exec.Command(program, file, fmt.Sprint(rate), fmt.Sprint(DefaultBitrate), fmt.Sprint(DefaultComplexity), "1", fmt.Sprint(loss), "2").Output()
			if err != nil {
				t.Fatal(err, string(out))
			}
			for line := range strings.Lines(string(out)) {
				var what string
				var ns float64
				if _, err := fmt.Sscan(line, &what, &ns); err != nil {
					t.Fatal(err)
				}
				least("C", what, ns)
			}
			for name, e := range engines() {
				for what, ns := range cost(t, e, Config{Rate: rate, FEC: true, Loss: loss}, pcm, low) {
					least(name, what, ns)
				}
			}
		}
		for who, limit := range map[string]float64{"translated": 2, "native": 1.3} {
			if best[who] == nil {
				continue
			}
			for _, what := range []string{"encode", "decode", "path"} {
				ratio := best[who][what] / best["C"][what]
				t.Logf("%5d Hz %-10s %-6s %7.1f µs, C %7.1f µs, %.2f times", rate, who, what, best[who][what]/1000, best["C"][what]/1000, ratio)
				all[fmt.Sprintf("%s %s %d", who, what, rate)] = map[string]float64{"us": best[who][what] / 1000, "c_us": best["C"][what] / 1000, "ratio": ratio, "limit": limit}
				if what == "path" && ratio > limit {
					t.Errorf("%d Hz: %s is %.2f times C, want at most %.1f", rate, who, ratio, limit)
				}
			}
		}
	}
	if name := os.Getenv("OPUS_JSON"); name != "" {
		b, err := json.MarshalIndent(all, "", "  ")
		if err == nil {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// cost is what opus.c does and prints, by e: CPU nanoseconds a frame.
func cost(t *testing.T, e func() engine, c Config, pcm, low []int16) map[string]float64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	frame := c.Rate / 50
	frames := len(pcm) / frame
	packets := make([][]byte, frames)
	room := make([]byte, frames*MaxPacket)
	out := make([]int16, maxMs*48)
	k := mustNew(t, c, e)
	_, _ = k.Encode(room, pcm[:frame]) // sets it up
	k = mustNew(t, c, e)
	start := threadCPU()
	for i := range packets {
		b := room[i*MaxPacket:][:MaxPacket]
		n, err := k.Encode(b, pcm[i*frame:][:frame])
		if err != nil {
			t.Fatal(err)
		}
		packets[i] = b[:n]
	}
	encode := threadCPU() - start
	k = mustNew(t, Config{Rate: c.Rate}, e)
	start = threadCPU()
	for _, p := range packets {
		if _, err := k.Decode(out, p); err != nil {
			t.Fatal(err)
		}
	}
	decode := threadCPU() - start
	coded := make([]byte, len(low))
	for i, s := range low {
		coded[i] = law.code[uint16(s)]
	}
	c.Rate = 8000
	enc, dec := mustNew(t, c, e), mustNew(t, Config{Rate: 8000}, e)
	var sent [160]byte
	var code [MaxPacket]byte
	start = threadCPU()
	for i, p := range packets {
		n, err := dec.Decode(out[:960], p)
		if err != nil {
			t.Fatal(err)
		}
		for j, s := range out[:min(n, len(sent))] {
			sent[j] = law.code[uint16(s)]
		}
		for j, b := range coded[i*160:][:160] {
			out[j] = law.linear[b]
		}
		if _, err := enc.Encode(code[:], out[:160]); err != nil {
			t.Fatal(err)
		}
	}
	path := threadCPU() - start
	n := float64(frames)
	return map[string]float64{"encode": float64(encode) / n, "decode": float64(decode) / n, "path": float64(path) / n}
}

// threadCPU is the CPU time of this thread.
func threadCPU() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
