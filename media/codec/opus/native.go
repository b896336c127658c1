//go:build libopus && linux && (amd64 || arm64)

package opus

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is libopus.so.0 of the system.
var library struct {
	once sync.Once
	ok   bool

	encoderSize, decoderSize uintptr // functions
	encoderInit, decoderInit uintptr
	encoderCtl               uintptr
	encode, decode           uintptr
}

func load() bool {
	l := &library
	l.once.Do(func() {
		h, err := purego.Dlopen("libopus.so.0", purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err != nil {
			return // the translated library serves
		}
		for name, f := range map[string]*uintptr{
			"opus_encoder_get_size": &l.encoderSize, "opus_decoder_get_size": &l.decoderSize,
			"opus_encoder_init": &l.encoderInit, "opus_decoder_init": &l.decoderInit,
			"opus_encoder_ctl": &l.encoderCtl, "opus_encode": &l.encode, "opus_decode": &l.decode,
		} {
			if *f, err = purego.Dlsym(h, name); err != nil {
				return
			}
		}
		l.ok = true
	})
	return l.ok
}

func native() bool { return load() }

func newEngine() engine {
	if load() {
		return new(shared)
	}
	return newTranslated()
}

// shared is an encoder and a decoder of the system's libopus. Their state and the
// buffers are memory of Go's heap, which does not move; the state holds no pointer
// but to tables of the library.
type shared struct {
	enc, dec []uint64
	pcm      [2 * maxMs * 48]int16
	packet   [MaxPacket]byte
	args     [6]uintptr
}

// call keeps the arguments in s, where they need no allocation.
func (s *shared) call(f uintptr, args ...uintptr) int {
	n := copy(s.args[:], args)
	r, _, _ := purego.SyscallN(f, s.args[:n]...)
	return int(int32(r))
}

func state(size int) []uint64 { return make([]uint64, (size+7)/8) }

func (s *shared) encoderInit(rate, channels int) int {
	s.enc = state(s.call(library.encoderSize, uintptr(channels)))
	const voip = 2048 // OPUS_APPLICATION_VOIP
	defer runtime.KeepAlive(s)
	return s.call(library.encoderInit, address(s.enc), uintptr(rate), uintptr(channels), voip)
}

func (s *shared) encoderSet(request, value int) int {
	defer runtime.KeepAlive(s)
	return s.call(library.encoderCtl, address(s.enc), uintptr(request), uintptr(value))
}

func (s *shared) encode(dst []byte, pcm []int16, samples int) int {
	copy(s.pcm[:], pcm)
	n := s.call(library.encode, address(s.enc), address(s.pcm[:]), uintptr(samples), address(s.packet[:]), uintptr(min(len(dst), MaxPacket)))
	if n > 0 {
		copy(dst, s.packet[:n])
	}
	runtime.KeepAlive(s)
	return n
}

func (s *shared) decoderInit(rate int) int {
	s.dec = state(s.call(library.decoderSize, 1))
	defer runtime.KeepAlive(s)
	return s.call(library.decoderInit, address(s.dec), uintptr(rate), 1)
}

func (s *shared) decode(dst []int16, packet []byte, samples int, fec bool) int {
	copy(s.packet[:], packet)
	f, data := uintptr(0), uintptr(0)
	if fec {
		f = 1
	}
	if len(packet) > 0 {
		data = address(s.packet[:])
	}
	n := s.call(library.decode, address(s.dec), data, uintptr(len(packet)), address(s.pcm[:]), uintptr(samples), f)
	if n > 0 {
		copy(dst, s.pcm[:n])
	}
	runtime.KeepAlive(s)
	return n
}

func address[T any](s []T) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(s))) }
