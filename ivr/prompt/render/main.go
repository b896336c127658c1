// Command render makes the built-in prompts and the hold music: texts.yaml
// spoken by espeak-ng, brought to one level and written as 8 kHz A-law WAV.
//
//	go run ./ivr/prompt/render -texts ivr/prompt/texts.yaml -out ivr/prompt/audio
//
// Only espeak-ng must be installed. Its breath differs a little from run to run:
// after a change of texts -only or -missing renders what is new and leaves the
// others alone. Files that texts.yaml and package spoken no longer name are
// removed.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/centrala/centrala/media/play"
)

func main() {
	textsPath := flag.String("texts", "ivr/prompt/texts.yaml", "what to say")
	out := flag.String("out", "ivr/prompt/audio", "folder to write to")
	only := flag.String("only", "", "render only this prompt, in all languages")
	missing := flag.Bool("missing", false, "render only what is not there yet")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *textsPath, *out, *only, *missing); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, textsPath, out, only string, missing bool) error {
	texts, err := readTexts(textsPath)
	if err != nil {
		return err
	}
	if _, err := exec.LookPath("espeak-ng"); err != nil {
		return fmt.Errorf("espeak-ng is not installed (Debian package espeak-ng): %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	keep := map[string]bool{}
	for _, j := range texts.jobs() {
		path := filepath.Join(out, j.lang, j.name+".wav")
		keep[path] = true
		if only != "" && j.name != only {
			continue
		}
		if _, err := os.Stat(path); missing && err == nil {
			continue
		}
		g.Go(func() error {
			pcm, err := j.render(ctx, texts)
			if err != nil {
				return fmt.Errorf("%s/%s: %w", j.lang, j.name, err)
			}
			return writeALaw(path, pcm)
		})
	}
	for name, make := range sounds {
		path := filepath.Join(out, neutral, name+".wav")
		keep[path] = true
		if only == "" || name == only {
			g.Go(func() error { return writeALaw(path, make()) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if only != "" {
		return nil
	}
	return prune(out, keep)
}

// prune removes the WAV files that nothing names any more.
func prune(out string, keep map[string]bool) error {
	files, err := filepath.Glob(filepath.Join(out, "*", "*.wav"))
	for _, f := range files {
		if !keep[f] {
			err = errors.Join(err, os.Remove(f))
		}
	}
	return err
}

// job is one file to speak.
type job struct {
	name, lang, text string
	seconds          float64 // exact length, 0 = as long as it is
	piece            bool    // one of package spoken
}

func (t *texts) jobs() []job {
	var jobs []job
	for name, byLang := range t.Prompts {
		for lang, text := range byLang {
			jobs = append(jobs, job{name: name, lang: lang, text: text, seconds: t.Lengths[name]})
		}
	}
	for name, byLang := range t.pieces {
		for lang, text := range byLang {
			jobs = append(jobs, job{name: name, lang: lang, text: text, piece: true})
		}
	}
	for name, text := range t.Shared {
		jobs = append(jobs, job{name: name, lang: neutral, text: text, seconds: t.Lengths[name]})
	}
	slices.SortFunc(jobs, func(a, b job) int { return strings.Compare(a.lang+"/"+a.name, b.lang+"/"+b.name) })
	return jobs
}

// render speaks the parts of the text one after the other.
func (j job) render(ctx context.Context, t *texts) ([]int16, error) {
	var all []float64
	parts, err := splitText(j.text, j.lang)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.pauseMs > 0 {
			all = append(all, make([]float64, p.pauseMs*rate/1000)...)
			continue
		}
		pcm, err := speak(ctx, t.Voices[p.lang], p.text)
		if err != nil {
			return nil, err
		}
		all = append(all, finish(pcm)...)
	}
	tail := wordTail
	if j.piece {
		all, tail = all[lead-pieceLead:], pieceTail
	} else if strings.HasSuffix(strings.TrimSpace(j.text), ".") {
		tail = sentenceTail // room to breathe before the next prompt
	}
	all = append(all, make([]float64, tail)...)
	if j.seconds > 0 {
		want := int(j.seconds * rate)
		if len(all) > want {
			return nil, fmt.Errorf("takes %.2f s, more than the %.2f s asked for", float64(len(all))/rate, j.seconds)
		}
		all = append(all, make([]float64, want-len(all))...)
	}
	return toPCM(all), nil
}

func speak(ctx context.Context, v voice, text string) ([]int16, error) {
	cmd := exec.CommandContext(ctx, "espeak-ng", "-v", v.Voice, "-s", strconv.Itoa(v.Speed),
		"-p", strconv.Itoa(v.Pitch), "-g", strconv.Itoa(v.Gap), "-b", "1", "--stdin", "--stdout")
	var wav, msg bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &wav, &msg
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("espeak-ng: %w: %s", err, msg.Bytes())
	}
	clip, err := play.Load(&wav, text)
	if err != nil {
		return nil, err
	}
	return clip.PCM(), nil
}
