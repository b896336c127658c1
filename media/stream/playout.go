package stream

import "github.com/centrala/centrala/media"

const (
	// prefill is how much sound must wait before the first frame is heard, or for how
	// many ticks it has waited: a machine that sends in real time is never even.
	prefillSamples = 3 * media.FrameSamples
	prefillTicks   = 3
	// maxMarks that wait; a machine that sets more has lost its way.
	maxMarks = 256
	// smallPiece: pieces are put together up to that many samples.
	smallPiece = 10 * media.FrameSamples
)

// Playout is the queue of what the machine says: sound at 8 kHz in any pieces goes
// in, frames of 20 ms come out. Marks lie between the sound. Not safe for several
// goroutines; a Stream guards it.
type Playout struct {
	pieces  []piece
	samples int // queued
	most    int
	marks   int
	playing bool
	waited  int // ticks with sound queued and not played yet
}

// piece is sound, or a mark.
type piece struct {
	pcm  []int16
	mark string
	is   bool // a mark
}

// NewPlayout makes a queue that holds most samples; more is refused.
func NewPlayout(most int) *Playout { return &Playout{most: most} }

// Samples tells how much is queued, at 8 kHz.
func (p *Playout) Samples() int { return p.samples }

// Put queues sound, which it keeps, and tells how many samples of it had no room.
func (p *Playout) Put(pcm []int16) (dropped int) {
	if room := p.most - p.samples; len(pcm) > room {
		dropped = len(pcm) - room
		pcm = pcm[:room]
	}
	if len(pcm) == 0 {
		return dropped
	}
	p.samples += len(pcm)
	if n := len(p.pieces); n > 0 && !p.pieces[n-1].is && len(p.pieces[n-1].pcm)+len(pcm) <= smallPiece {
		p.pieces[n-1].pcm = append(p.pieces[n-1].pcm, pcm...) // many crumbs cost no more than a loaf
		return dropped
	}
	p.pieces = append(p.pieces, piece{pcm: pcm})
	return dropped
}

// Mark queues a mark behind what is queued; false when there are too many.
func (p *Playout) Mark(name string) bool {
	if p.marks >= maxMarks {
		return false
	}
	p.marks++
	p.pieces = append(p.pieces, piece{mark: name, is: true})
	return true
}

// Clear drops all that waits; reached is told the marks in it, in order.
func (p *Playout) Clear(reached func(mark string)) {
	for _, x := range p.pieces {
		if x.is {
			reached(x.mark)
		}
	}
	*p = Playout{most: p.most}
}

// Next fills dst with the next frame; false is silence, and nothing waits or not
// enough yet. reached is told each mark whose sound before it has been handed out
// by earlier frames.
func (p *Playout) Next(dst []int16, reached func(mark string)) bool {
	p.passMarks(reached)
	if p.samples == 0 {
		p.playing, p.waited = false, 0
		return false
	}
	if !p.playing {
		if p.waited++; p.samples < prefillSamples && p.waited < prefillTicks && p.marks == 0 {
			return false
		}
		p.playing, p.waited = true, 0
	}
	n := 0
	for n < len(dst) && p.samples > 0 {
		x := &p.pieces[0]
		if x.is {
			break // the rest of the frame is silence: the mark's place is exact to a frame
		}
		c := copy(dst[n:], x.pcm)
		n += c
		p.samples -= c
		if x.pcm = x.pcm[c:]; len(x.pcm) == 0 {
			p.pop()
		}
	}
	clear(dst[n:])
	return true
}

func (p *Playout) passMarks(reached func(string)) {
	for len(p.pieces) > 0 && p.pieces[0].is {
		p.marks--
		reached(p.pieces[0].mark)
		p.pop()
	}
}

func (p *Playout) pop() {
	p.pieces[0] = piece{}
	if p.pieces = p.pieces[1:]; len(p.pieces) == 0 {
		p.pieces = nil
	}
}
