package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/centrala/centrala/media/vad"
)

// A recogniser without a stream: what the caller says is cut into utterances here, and
// each is posted whole. For services that know no WebSocket; it answers later than one
// that hears while the caller speaks.
const (
	// preRoll is kept from before the first voice: consonants begin softly.
	preRoll = 300 * time.Millisecond
	// leastVoice is no click; endSilence ends an utterance, longer than a pause between
	// digits; mostSpeech bounds one, and with it the request: 480 kB at 16 kHz.
	leastVoice = 60 * time.Millisecond
	endSilence = 800 * time.Millisecond
	mostSpeech = 15 * time.Second
	// lookEvery finds the end of an utterance after which a phone sends nothing at all.
	lookEvery = 100 * time.Millisecond
)

// cutter finds utterances in what is heard.
type cutter struct {
	ear    vad.Detector
	rate   int
	before []int16 // the last preRoll
	said   []int16 // nil: nobody speaks
	run    int     // samples of voice in a row, while nobody speaks
	silent int     // samples since the last voice
	last   time.Time
}

func (c *cutter) samples(d time.Duration) int { return int(d * time.Duration(c.rate) / time.Second) }

// put takes 20 ms and returns an utterance when it ends here.
func (c *cutter) put(now time.Time, pcm []int16) []int16 {
	voice := c.ear.Voice(c.rate, pcm)
	c.last = now
	if c.said == nil {
		c.before = append(c.before, pcm...)
		if over := len(c.before) - c.samples(preRoll); over > 0 {
			c.before = append(c.before[:0], c.before[over:]...)
		}
		if !voice {
			c.run = 0
			return nil
		}
		if c.run += len(pcm); c.run >= c.samples(leastVoice) {
			c.said, c.before, c.run, c.silent = append([]int16{}, c.before...), c.before[:0], 0, 0
		}
		return nil
	}
	c.said = append(c.said, pcm...)
	if c.silent += len(pcm); voice {
		c.silent = 0
	}
	if c.silent >= c.samples(endSilence) || len(c.said) >= c.samples(mostSpeech) {
		return c.take()
	}
	return nil
}

// look returns the utterance of a phone that has fallen silent and sends nothing more.
func (c *cutter) look(now time.Time) []int16 {
	if c.said != nil && now.Sub(c.last) >= endSilence {
		return c.take()
	}
	return nil
}

func (c *cutter) take() []int16 {
	said := c.said
	c.said = nil
	return said
}

// postPeer is a recogniser that is asked by POST.
type postPeer struct {
	c    *Client
	o    *Options
	said chan []int16

	mu  sync.Mutex
	cut cutter
}

func newPostPeer(c *Client, o *Options) *postPeer {
	return &postPeer{c: c, o: o, said: make(chan []int16, 1), cut: cutter{rate: o.Rate}}
}

func (p *postPeer) text(context.Context, *Message) error { return nil }
func (p *postPeer) ping(context.Context) error           { return nil }
func (p *postPeer) close()                               {}

func (p *postPeer) sound(_ context.Context, frame []byte) error {
	b := frame[HeaderSize:]
	pcm := make([]int16, len(b)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	p.mu.Lock()
	said := p.cut.put(time.Now(), pcm)
	p.mu.Unlock()
	p.heard(said)
	return nil
}

// heard hands an utterance on; one that comes while another is asked about is lost: the
// answer to the first ends the step.
func (p *postPeer) heard(said []int16) {
	if said == nil {
		return
	}
	select {
	case p.said <- said:
	default:
	}
}

// read waits for an utterance and asks what it was.
func (p *postPeer) read(ctx context.Context) (kind, []byte, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case now := <-tick.C:
			p.mu.Lock()
			said := p.cut.look(now)
			p.mu.Unlock()
			p.heard(said)
		case said := <-p.said:
			word, err := p.ask(ctx, said)
			if err != nil {
				return 0, nil, err
			}
			b, err := json.Marshal(Message{Type: "stop", Result: word})
			return gotText, b, err
		}
	}
}

// ask posts an utterance as WAV and returns what was understood as the result of a
// stop. Everything is bounded: Config.Stall for all of it, MaxMessage for the answer.
func (p *postPeer) ask(ctx context.Context, said []int16) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, p.c.cfg.Stall)
	defer cancel()
	u, err := url.Parse(p.o.URL)
	if err != nil {
		return "", ErrInvalid
	}
	ctx = context.WithValue(ctx, plain{}, u.Scheme == "http")
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.URL, bytes.NewReader(wavOf(p.o.Rate, said)))
	if err != nil {
		return "", ErrInvalid
	}
	for k, v := range map[string]string{"Content-Type": "audio/wav", "Accept": "application/json", "Content-Language": p.o.Language,
		"X-Centrala-Stream": p.o.ID, "X-Centrala-Call": p.o.Call, "X-Centrala-Tenant": p.o.Tenant, "X-Centrala-Hints": url.QueryEscape(strings.Join(p.o.Hints, ",")),
		"X-Centrala-Signature": Sign(p.c.cfg.Secret, time.Now(), p.o.ID, p.o.Call, p.o.URL)} {
		if v != "" {
			r.Header.Set(k, v)
		}
	}
	res, err := p.c.http.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, where secrets are
		}
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the recogniser answered %d", res.StatusCode)
	}
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t != "application/json" {
		return "", errors.New("the recogniser's answer is no application/json")
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, MaxMessage+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > MaxMessage:
		return "", fmt.Errorf("the recogniser's answer is longer than %d bytes", MaxMessage)
	}
	var heard struct {
		Text       string   `json:"text"`
		Confidence *float64 `json:"confidence,omitempty"`
	}
	if err := json.Unmarshal(b, &heard); err != nil {
		return "", errors.New("the recogniser's answer is no JSON object with text")
	}
	// The result of a stop is bounded; a text that is longer is cut between characters.
	heard.Text = cutText(printable(heard.Text), maxText/2)
	out, err := json.Marshal(heard)
	if err == nil && len(out) > maxText { // its quotes and umlauts grew
		heard.Text = cutText(heard.Text, maxText/8)
		out, err = json.Marshal(heard)
	}
	return string(out), err
}

func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// wavOf is a file of 16-bit mono PCM.
func wavOf(rate int, pcm []int16) []byte {
	b := make([]byte, 44, 44+2*len(pcm))
	le := binary.LittleEndian
	copy(b, "RIFF")
	le.PutUint32(b[4:], uint32(36+2*len(pcm)))
	copy(b[8:], "WAVEfmt ")
	le.PutUint32(b[16:], 16)
	le.PutUint16(b[20:], 1)
	le.PutUint16(b[22:], 1)
	le.PutUint32(b[24:], uint32(rate))
	le.PutUint32(b[28:], uint32(2*rate))
	le.PutUint16(b[32:], 2)
	le.PutUint16(b[34:], 16)
	copy(b[36:], "data")
	le.PutUint32(b[40:], uint32(2*len(pcm)))
	for _, v := range pcm {
		b = le.AppendUint16(b, uint16(v))
	}
	return b
}
