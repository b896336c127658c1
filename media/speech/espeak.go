package speech

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Espeak is the program espeak-ng, run once for each text, at low priority. The
// text goes in by its standard input, never through a shell or an argument.
type Espeak struct {
	program string
	speed   int
}

// NewEspeak looks for program ("" = espeak-ng) in PATH. Speed is in words a minute,
// 80 to 450.
func NewEspeak(program string, speed int) (*Espeak, error) {
	if program == "" {
		program = "espeak-ng"
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("speech: %q is not on this machine (%w); install the package espeak-ng, or choose another engine", program, err)
	}
	return &Espeak{path, min(max(speed, 80), 450)}, nil
}

// Name implements Engine.
func (e *Espeak) Name() string { return "espeak " + strconv.Itoa(e.speed) }

// Speak implements Engine.
func (e *Espeak) Speak(ctx context.Context, r Request) (io.ReadCloser, error) {
	voice := r.Voice
	if voice == "" {
		voice = strings.ToLower(r.Language)
	}
	var out, fault bounded
	out.max, fault.max = maxSound, 4<<10
	cmd := exec.CommandContext(ctx, e.program, "-v", voice, "-s", strconv.Itoa(e.speed), "-b", "1", "--stdin", "--stdout")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.Text), &out, &fault
	cmd.WaitDelay = time.Second // a child of the program's own must not hold us
	err := cmd.Start()
	if err == nil {
		lower(cmd.Process.Pid)
		err = cmd.Wait()
	}
	switch {
	case out.over:
		return nil, fmt.Errorf("speech: %s: %w", e.program, ErrTooLarge)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("speech: %s: %w", e.program, ctx.Err())
	case err != nil:
		why, _, _ := strings.Cut(strings.TrimSpace(fault.String()), "\n")
		return nil, fmt.Errorf("speech: %s with voice %q: %w: %s", e.program, voice, err, why)
	case out.Len() == 0:
		return nil, fmt.Errorf("speech: %s with voice %q gave no sound", e.program, voice)
	}
	return io.NopCloser(&out.Buffer), nil
}

// bounded is a buffer that refuses what is more than max.
type bounded struct {
	bytes.Buffer
	max  int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.max {
		b.over = true
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

// ReadFrom hides the buffer's own, which knows no bound.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, r)
}
