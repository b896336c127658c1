package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
)

type promptCmd struct {
	List     promptListCmd     `cmd:"" help:"What callers hear: languages, versions, who uses it." default:"withargs"`
	Show     promptShowCmd     `cmd:"" help:"One prompt in its languages."`
	Add      promptAddCmd      `cmd:"" help:"Upload a sound file; callers hear it from now on."`
	Speak    promptSpeakCmd    `cmd:"" help:"Have a text synthesised; callers hear it from now on."`
	Get      promptGetCmd      `cmd:"" help:"Save a prompt's sound as a WAV file."`
	Versions promptVersionsCmd `cmd:"" help:"Versions that are kept, the newest first."`
	Use      promptUseCmd      `cmd:"" help:"Go back to a version, or to none (0)."`
	Remove   promptRemoveCmd   `cmd:"" help:"Forget a version, a language, or all that was uploaded."`
}

func (promptCmd) Help() string {
	return "Examples:\n  centrala prompt add welcome welcome.mp3 --language ro\n  centrala prompt speak welcome --language ru --text 'Здравствуйте.'\n  centrala prompt versions welcome\n  centrala prompt use welcome 1 --language ro\n\nOn a phone: *77 and the prompt's number (docs/ivr.md)."
}

type promptListCmd struct{ target }

func (k promptListCmd) Run(c *cli) error {
	list, err := k.client().Prompts(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(list)
	}
	return c.table("PROMPT\tNUMBER\tLANGUAGES\tMISSING\tUSED BY", func(w io.Writer) {
		for _, p := range list {
			var langs []string
			for _, l := range p.Languages {
				s := l.Language
				if l.Version > 0 {
					s += fmt.Sprintf(":%d", l.Version)
				}
				langs = append(langs, s)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Name, dash(p.Number), dash(strings.Join(langs, " ")), dash(strings.Join(p.Missing, " ")), dash(strings.Join(p.UsedBy, " ")))
		}
	})
}

type promptShowCmd struct {
	target
	Prompt string `arg:"" help:"Prompt."`
}

func (k promptShowCmd) Run(c *cli) error {
	d, err := k.client().Prompt(context.Background(), k.Prompt)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(d)
	}
	fmt.Fprintf(c.out, "%s, used by %s\n", d.Name, dash(strings.Join(d.UsedBy, ", ")))
	if len(d.Missing) > 0 {
		fmt.Fprintf(c.out, "missing in %s\n", strings.Join(d.Missing, ", "))
	}
	return c.table("LANGUAGE\tSOURCE\tVERSION\tTEXT", func(w io.Writer) {
		for _, l := range d.Languages {
			version := "-"
			if l.Version > 0 {
				version = fmt.Sprint(l.Version)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Language, l.Source, version, dash(l.Text))
		}
	})
}

type promptAddCmd struct {
	target
	Prompt   string `arg:"" help:"Prompt."`
	File     string `arg:"" help:"WAV, FLAC, MP3 or Ogg Opus; - for standard input."`
	Language string `help:"Language, such as ro; any: the same in all." required:"" placeholder:"LANG"`
}

func (k promptAddCmd) Run(c *cli) error {
	in := io.Reader(os.Stdin)
	if k.File != "-" {
		f, err := os.Open(k.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	audio, err := io.ReadAll(io.LimitReader(in, api.MaxPrompt+1))
	if err != nil {
		return err
	}
	if len(audio) > api.MaxPrompt {
		return fmt.Errorf("%s: more than %d MiB", k.File, api.MaxPrompt>>20)
	}
	v, err := k.client().UploadPrompt(context.Background(), k.Prompt, k.Language, audio, whoAmI())
	return k.kept(c, k.Prompt, v, err)
}

// kept tells of a new version.
func (t target) kept(c *cli, name string, v api.PromptVersion, err error) error {
	if err != nil {
		return err
	}
	if t.JSON {
		return c.printJSON(v)
	}
	_, err = fmt.Fprintf(c.out, "%s in %s: version %d, %s\n", name, v.Language, v.Version, time.Duration(v.DurationMs)*time.Millisecond)
	return err
}

type promptSpeakCmd struct {
	target
	Prompt   string `arg:"" help:"Prompt."`
	Language string `help:"Language, such as ro." required:"" placeholder:"LANG"`
	Text     string `help:"What to say. Default: the text of the prompt's document."`
}

func (k promptSpeakCmd) Run(c *cli) error {
	v, err := k.client().SpeakPrompt(context.Background(), k.Prompt, api.SpokenPrompt{Language: k.Language, Text: k.Text}, whoAmI())
	return k.kept(c, k.Prompt, v, err)
}

type promptGetCmd struct {
	target
	Prompt   string `arg:"" help:"Prompt."`
	Language string `help:"Language, such as ro." required:"" placeholder:"LANG"`
	Version  int    `help:"A version; without it what callers hear." placeholder:"N"`
	Out      string `help:"File; - for standard output. Default: NAME.LANG.wav." placeholder:"FILE"`
}

func (k promptGetCmd) Run(c *cli) error {
	wav, err := k.client().PromptAudio(context.Background(), k.Prompt, k.Language, k.Version)
	if err != nil {
		return err
	}
	out := cmp.Or(k.Out, k.Prompt+"."+k.Language+".wav")
	if out == "-" {
		_, err = c.out.Write(wav)
		return err
	}
	return os.WriteFile(out, wav, 0o644)
}

type promptVersionsCmd struct {
	target
	Prompt string `arg:"" help:"Prompt."`
}

func (k promptVersionsCmd) Run(c *cli) error {
	d, err := k.client().Prompt(context.Background(), k.Prompt)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(d.Versions)
	}
	return c.table("LANGUAGE\tVERSION\tIN USE\tAT\tBY\tFROM\tSECONDS\tTEXT", func(w io.Writer) {
		for _, v := range d.Versions {
			mark := "-"
			if v.InUse {
				mark = "yes"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%.1f\t%s\n", v.Language, v.Version, mark, clock(v.At), v.By, v.Source, float64(v.DurationMs)/1000, dash(v.Text))
		}
	})
}

type promptUseCmd struct {
	target
	Prompt   string `arg:"" help:"Prompt."`
	Version  int    `arg:"" help:"Version; 0: none of those kept, but the file of the document or the built-in one."`
	Language string `help:"Language, such as ro." required:"" placeholder:"LANG"`
}

func (k promptUseCmd) Run(c *cli) error {
	return k.client().UsePrompt(context.Background(), k.Prompt, api.UsedPrompt{Language: k.Language, Version: k.Version}, whoAmI())
}

type promptRemoveCmd struct {
	target
	Prompt   string `arg:"" help:"Prompt."`
	Language string `help:"This language alone." placeholder:"LANG"`
	Version  int    `help:"This version of the language alone." placeholder:"N"`
}

func (k promptRemoveCmd) Run(c *cli) error {
	return k.client().RemovePrompt(context.Background(), k.Prompt, k.Language, k.Version, whoAmI())
}

type scheduleCmd struct {
	List   scheduleListCmd   `cmd:"" help:"What is open, and until when." default:"withargs"`
	Show   scheduleShowCmd   `cmd:"" help:"How a schedule is at a moment, and why."`
	Close  scheduleCloseCmd  `cmd:"" help:"Close by hand, whatever the hours say."`
	Open   scheduleOpenCmd   `cmd:"" help:"End a closure."`
	Import scheduleImportCmd `cmd:"" help:"Put an iCalendar file (public holidays) into a schedule."`
}

func (scheduleCmd) Help() string {
	return "Examples:\n  centrala schedule show office --at 2026-12-24T18:00\n  centrala schedule close office --until 2026-11-23T15:00 --reason 'no power'\n  centrala schedule open office\n  centrala schedule import office holidays.ics --calendar feasts"
}

type scheduleListCmd struct{ target }

func (k scheduleListCmd) Run(c *cli) error {
	list, err := k.client().Schedules(context.Background(), time.Time{})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(list)
	}
	return c.table("SCHEDULE\tNOW\tWHY\tCHANGES\tSWITCH", func(w io.Writer) {
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, openWord(s.Open), whyOpen(s), changes(s), dash(s.Switch))
		}
	})
}

func openWord(open bool) string {
	if open {
		return "open"
	}
	return "closed"
}

func whyOpen(s api.Schedule) string {
	if s.What != "" {
		return s.Why + ": " + s.What
	}
	return s.Why
}

func changes(s api.Schedule) string {
	if s.Changes.IsZero() {
		return "never"
	}
	return s.Changes.Format("2006-01-02 15:04 MST")
}

type scheduleShowCmd struct {
	target
	Schedule string `arg:"" help:"Schedule."`
	At       string `help:"A moment: 2026-12-24T18:00 on the schedule's clock, or with a zone (2026-12-24T18:00:00+02:00). Default now." placeholder:"TIME"`
}

func (k scheduleShowCmd) Run(c *cli) error {
	at, err := k.moment(k.Schedule, k.At)
	if err != nil {
		return err
	}
	s, err := k.client().Schedule(context.Background(), k.Schedule, at)
	if err != nil {
		return err
	}
	return k.tell(c, s)
}

func (t target) tell(c *cli, s api.Schedule) error {
	if t.JSON {
		return c.printJSON(s)
	}
	next := "opens"
	if s.Open {
		next = "closes"
	}
	fmt.Fprintf(c.out, "%s is %s at %s (%s); %s: %s\n", s.Name, openWord(s.Open), s.At.Format("2006-01-02 15:04 MST"), whyOpen(s), next, changes(s))
	if s.Closure != nil {
		until := "until somebody opens it"
		if !s.Closure.Until.IsZero() {
			until = "until " + s.Closure.Until.In(s.At.Location()).Format("2006-01-02 15:04 MST")
		}
		fmt.Fprintf(c.out, "closed by %s, %s\n", s.Closure.By, until)
	}
	return nil
}

// moment reads a time, on the schedule's clock when it has no zone. "" = zero.
func (t target) moment(schedule, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	s, err := t.client().Schedule(context.Background(), schedule, time.Time{})
	if err != nil {
		return time.Time{}, err
	}
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.Time{}, err
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05"} {
		if at, err := time.ParseInLocation(layout, text, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("%q: want a time such as 2026-12-24T18:00 or 2026-12-24T18:00:00+02:00", text)}
}

type scheduleCloseCmd struct {
	target
	Schedule string `arg:"" help:"Schedule."`
	Until    string `help:"When it follows its hours again: 2026-11-23T15:00, or a duration such as 2h. Default: when somebody opens it." placeholder:"TIME"`
	Reason   string `help:"For the journal and for who looks." placeholder:"TEXT"`
}

func (k scheduleCloseCmd) Run(c *cli) error {
	var until time.Time
	if d, err := time.ParseDuration(k.Until); err == nil {
		until = time.Now().Add(d)
	} else if until, err = k.moment(k.Schedule, k.Until); err != nil {
		return err
	}
	s, err := k.client().CloseSchedule(context.Background(), k.Schedule, api.CloseSchedule{Until: until, Reason: k.Reason}, whoAmI())
	if err != nil {
		return err
	}
	return k.tell(c, s)
}

type scheduleOpenCmd struct {
	target
	Schedule string `arg:"" help:"Schedule."`
}

func (k scheduleOpenCmd) Run(c *cli) error {
	s, err := k.client().OpenSchedule(context.Background(), k.Schedule, whoAmI())
	if err != nil {
		return err
	}
	return k.tell(c, s)
}

type scheduleImportCmd struct {
	target
	Schedule string `arg:"" help:"Schedule."`
	File     string `arg:"" optional:"" help:"iCalendar file (.ics)."`
	Calendar string `help:"Its name in the schedule; one of that name is replaced." default:"imported"`
	Remove   bool   `help:"Take the calendar out instead."`
	DryRun   bool   `help:"Check and tell, change nothing."`
}

func (k scheduleImportCmd) Run(c *cli) error {
	var text []byte
	switch {
	case k.Remove != (k.File == ""):
		return usageError{errors.New("want a file, or --remove")}
	case !k.Remove:
		var err error
		if text, err = os.ReadFile(k.File); err != nil {
			return err
		}
		if len(text) == 0 {
			return fmt.Errorf("%s is empty", k.File)
		}
	}
	res, err := k.client().ImportCalendar(context.Background(), k.Schedule, k.Calendar, text, api.ApplyOptions{By: whoAmI(), Dry: k.DryRun})
	for _, f := range res.Faults {
		fmt.Fprintln(c.errOut, f)
	}
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(res)
	}
	for _, ch := range res.Changes {
		fmt.Fprintln(c.out, ch)
	}
	return nil
}
