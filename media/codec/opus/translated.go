package opus

import (
	"unsafe"

	"github.com/centrala/centrala/media/codec/opus/libopus"
)

// translated is libopus as Go: a machine of its own with 139 kB of memory, in
// which its buffers lie at fixed places.
type translated struct {
	m      *libopus.Module
	memory []byte
	pcm    []int16
	packet []byte
}

func newTranslated() engine {
	m := libopus.New()
	t := &translated{m: m, memory: *m.Xmemory().Slice()}
	t.packet = t.memory[m.Xpacket():][:MaxPacket]
	// Both are little-endian and aligned; see the check in the tests.
	t.pcm = unsafe.Slice((*int16)(unsafe.Pointer(&t.memory[m.Xpcm()])), maxMs*48)
	return t
}

func (t *translated) encoderInit(rate, channels int) int {
	return int(t.m.Xencoder_init(int32(rate), int32(channels)))
}

func (t *translated) encoderSet(request, value int) int {
	return int(t.m.Xencoder_set(int32(request), int32(value)))
}

func (t *translated) encode(dst []byte, pcm []int16, samples int) int {
	copy(t.pcm, pcm)
	n := int(t.m.Xencode(int32(samples), int32(min(len(dst), MaxPacket))))
	if n > 0 {
		copy(dst, t.packet[:n])
	}
	return n
}

func (t *translated) decoderInit(rate int) int { return int(t.m.Xdecoder_init(int32(rate))) }

func (t *translated) decode(dst []int16, packet []byte, samples int, fec bool) int {
	copy(t.packet, packet)
	f := int32(0)
	if fec {
		f = 1
	}
	n := int(t.m.Xdecode(int32(len(packet)), int32(samples), f))
	if n > 0 {
		copy(dst, t.pcm[:n])
	}
	return n
}
