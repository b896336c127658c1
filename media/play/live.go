package play

import (
	"sync/atomic"

	"github.com/centrala/centrala/media/codec"
	"github.com/centrala/centrala/media/resample"
)

const (
	// liveFrames is what a Live keeps: 1.28 s, far more than the tick of a worker
	// that hears it can be late.
	liveFrames = 64
	// liveLead frames lie between the newest and who begins to listen.
	liveLead = 4
	// liveWish: a codec is encoded as long as somebody has asked for it within so
	// many frames, 2 s; a listener pauses for announcements.
	liveWish = 100
)

// Live is sound that comes while it is heard, the same for all who hear it: decoded
// once and encoded once for each codec in use. One goroutine puts, any number of
// workers take; nobody waits for anybody.
type Live struct {
	slots [liveFrames]atomic.Pointer[liveFrame]
	head  atomic.Uint64 // number of the next frame
	asked [4]atomic.Uint64
	wake  chan struct{}

	// The putting goroutine's.
	down *resample.Stream
	enc  [4]codec.Encoder
}

// liveFrame is 20 ms in every form that is asked for. It is never changed.
type liveFrame struct {
	n     uint64
	pcm   [frameSamples]int16
	codes [4][]byte // by form
}

// form is where a codec lies in codes; -1 for one that has no place.
func form(id codec.ID) int {
	switch id {
	case codec.PCMU:
		return 0
	case codec.PCMA:
		return 1
	case codec.G722:
		return 2
	case codec.Opus:
		return 3
	}
	return -1
}

// NewLive returns a Live without sound and the clip by which it is played. The clip
// has no length and no end, whether looped or not; whoever plays it is heard silence
// while nothing is put.
func NewLive(name string) (*Live, *Clip) {
	l := &Live{wake: make(chan struct{}, 1), down: resample.NewStream(wide, narrow)}
	return l, &Clip{name: name, live: l}
}

// Live is the sound of the clip when it comes from a Live; else nil.
func (c *Clip) Live() *Live { return c.live }

// Put takes 20 ms at StreamRate, for the listeners that there are.
func (l *Live) Put(pcm []int16) {
	f := &liveFrame{n: l.head.Load()}
	l.down.Process(f.pcm[:], pcm)
	for i, id := range [...]codec.ID{codec.PCMU, codec.PCMA, codec.G722, codec.Opus} {
		if until := l.asked[i].Load(); until <= f.n {
			l.enc[i] = nil // what it last coded is long ago
			continue
		}
		if id.Valid() {
			f.codes[i] = make([]byte, frameSamples)
			codec.Encode(id, f.codes[i], f.pcm[:])
			continue
		}
		if l.enc[i] == nil {
			l.enc[i], _ = codec.NewEncoder(id, wide, codec.Options{})
		}
		if l.enc[i] == nil {
			continue
		}
		var buf [1500]byte
		if n, err := l.enc[i].Encode(buf[:], pcm); err == nil {
			f.codes[i] = append([]byte(nil), buf[:n]...)
		}
	}
	l.slots[f.n%liveFrames].Store(f)
	l.head.Add(1)
}

// Woken is told once when somebody begins to listen.
func (l *Live) Woken() <-chan struct{} { return l.wake }

// Heard tells whether anybody has listened within the last frames.
func (l *Live) Heard() bool {
	head := l.head.Load()
	for i := range l.asked {
		if l.asked[i].Load() > head {
			return true
		}
	}
	return false
}

// Code returns the next 20 ms for a listener in a codec; nil while there is none, when
// silence is in order. *at is the listener's place, 0 for who begins, and moves on. The
// octets are shared: they must not be written.
func (l *Live) Code(at *uint64, id codec.ID) []byte {
	i := form(id)
	if i < 0 {
		return nil
	}
	if f := l.next(at, i); f != nil {
		return f.codes[i]
	}
	return nil
}

// PCM is Code for linear sound at 8 kHz.
func (l *Live) PCM(at *uint64) []int16 {
	if f := l.next(at, 0); f != nil {
		return f.pcm[:]
	}
	return nil
}

func (l *Live) next(at *uint64, form int) *liveFrame {
	head := l.head.Load()
	until := head + liveWish
	if was := l.asked[form].Load(); was+liveWish/4 < until { // not each listener each time
		if was <= head {
			select {
			case l.wake <- struct{}{}:
			default:
			}
		}
		l.asked[form].Store(until)
	}
	if *at == 0 || *at >= head || head-*at > liveFrames/2 {
		if *at >= head && *at != 0 {
			return nil // the source is a little late
		}
		if head <= liveLead {
			return nil
		}
		*at = head - liveLead
	}
	f := l.slots[*at%liveFrames].Load()
	if f == nil || f.n != *at {
		return nil
	}
	*at++
	return f
}

// Wide is the clip's linear sound at StreamRate. It may be shared: it must not be
// written. A live clip has none.
func (c *Clip) Wide() []int16 {
	if c.live != nil {
		return nil
	}
	if c.high != nil {
		return c.high[:2*c.samples]
	}
	return resample.Convert(c.PCM(), narrow, wide)
}
