package dtmf

import "github.com/centrala/centrala/media"

// Timing of digits sent, in frames of 20 ms. 120 ms on and 100 ms off is what
// every exchange recognises (ITU-T Q.24 asks for 40 ms of each at least) and
// still four digits a second.
const (
	onFrames  = 6
	offFrames = 5
	// endCopies is how often the end packet is sent in all (RFC 4733 2.5.1.4).
	endCopies = 3
)

// MaxQueue is how many digits may wait in a Sender.
const MaxQueue = 64

// Step is what to send in one frame of 20 ms.
type Step struct {
	Kind  StepKind
	First bool  // of this digit: marker and a new timestamp
	Event Event // for StepEvent: the payload; for StepTone: Code alone counts
	Pos   int   // for StepTone: samples of the tone before this frame
}

// StepKind says what a Step is.
type StepKind uint8

const (
	// StepIdle: nothing is under way; the leg may send what it likes.
	StepIdle StepKind = iota
	// StepEvent: send Event as a telephone-event packet.
	StepEvent
	// StepTone: send a frame of the digit's tone (in-band only).
	StepTone
	// StepPause: between digits; in-band it is a frame of silence.
	StepPause
)

// Sender makes packets out of digits, one step a frame.
type Sender struct {
	queue       [MaxQueue]uint8
	head, count int
	frame       int
}

// Push queues digits and returns how many were taken; what is not a key is
// skipped, what exceeds MaxQueue is cut.
func (s *Sender) Push(digits string) (n int) {
	for i := 0; i < len(digits) && s.count < MaxQueue; i++ {
		if code, ok := Code(digits[i]); ok {
			s.queue[(s.head+s.count)%MaxQueue] = code
			s.count++
			n++
		}
	}
	return n
}

// Active tells whether digits are under way or wait.
func (s *Sender) Active() bool { return s.count > 0 }

// Next moves one frame on. With inband the steps are tones, else events.
func (s *Sender) Next(inband bool) Step {
	if s.count == 0 {
		return Step{}
	}
	code, f := s.queue[s.head], s.frame
	s.frame++
	if s.frame == onFrames+offFrames {
		s.frame, s.head, s.count = 0, (s.head+1)%MaxQueue, s.count-1
	}
	if inband {
		if f < onFrames {
			return Step{Kind: StepTone, First: f == 0, Event: Event{Code: code}, Pos: f * media.FrameSamples}
		}
		return Step{Kind: StepPause}
	}
	if f >= onFrames-1+endCopies {
		return Step{Kind: StepPause}
	}
	dur := uint16(min(f+1, onFrames) * media.FrameSamples)
	// Volume 10 is -10 dBm0, what most gateways send.
	return Step{Kind: StepEvent, First: f == 0, Event: Event{code, f >= onFrames-1, 10, dur}}
}
