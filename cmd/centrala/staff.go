package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/acd/erlang"
)

type staffCmd struct {
	Calls        []float64     `required:"" help:"Calls expected in each interval, one after another: 80,120,95."`
	Interval     time.Duration `help:"Length of an interval." default:"15m"`
	AHT          time.Duration `name:"aht" required:"" help:"Mean handling time: talk, hold and wrap-up."`
	Patience     time.Duration `help:"Mean time until a waiting caller hangs up (Erlang A). Without it callers wait for ever (Erlang C)."`
	ServiceLevel string        `help:"Share of callers to be answered within a time in seconds: 80/20." default:"80/20" placeholder:"SHARE/SECONDS"`
	ASA          time.Duration `name:"asa" help:"Also: mean wait of the answered at most."`
	Abandons     percent       `help:"Also: share of callers who hang up at most, 3%." placeholder:"SHARE"`
	Occupancy    percent       `help:"Also: share of the agents' time on calls at most, 85%." placeholder:"SHARE"`
	Shrinkage    percent       `help:"Share of paid time that goes to breaks, training, absence: how many to put on the roster." placeholder:"SHARE"`
	Agents       int           `help:"Do not search: tell what so many agents give."`
	JSON         bool          `help:"Print JSON for scripts." name:"json"`
}

func (staffCmd) Help() string {
	return `Callers come by chance at the rate given, agents are alike and handle calls of exponential length: the model of Erlang. Skills, shifts and phones that ring are for "centrala simulate".

Examples:
  centrala staff --calls 90,120,150,110 --aht 4m30s --service-level 80/20 --patience 2m --shrinkage 30%
  centrala staff --calls 360 --interval 30m --aht 4m --agents 55`
}

// percent is a share written as 85% or 0.85.
type percent float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *percent) UnmarshalText(b []byte) error {
	s := string(b)
	number, of100 := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if of100 {
		v /= 100
	}
	if err != nil || math.IsNaN(v) || v < 0 || v >= 1 {
		return fmt.Errorf("%q: want a share such as 85%% or 0.85, below 100%%", s)
	}
	*p = percent(v)
	return nil
}

// target reads "80/20".
func (k staffCmd) target() (erlang.Target, error) {
	g := erlang.Target{ASA: k.ASA.Seconds(), Abandons: float64(k.Abandons), Occupancy: float64(k.Occupancy)}
	share, within, ok := strings.Cut(k.ServiceLevel, "/")
	v, err := strconv.ParseFloat(share, 64)
	t, err2 := strconv.ParseFloat(strings.TrimSuffix(within, "s"), 64)
	if g.ServiceLevel, g.T = v/100, t; !ok || err != nil || err2 != nil {
		return g, usageError{fmt.Errorf("service level %q: want SHARE/SECONDS, such as 80/20", k.ServiceLevel)}
	}
	return g, nil
}

// staffLine is one interval.
type staffLine struct {
	Calls     float64            `json:"calls"`
	Load      float64            `json:"load_erlangs"`
	Scheduled int                `json:"scheduled"`
	At        erlang.Performance `json:"at"`
}

func (k staffCmd) Run(c *cli) error {
	g, err := k.target()
	if err != nil {
		return err
	}
	if k.Interval <= 0 || k.Agents < 0 || k.Agents > erlang.MaxAgents {
		return usageError{fmt.Errorf("interval: want more than 0; agents: want 1 to %d", erlang.MaxAgents)}
	}
	model := "Erlang C"
	if k.Patience > 0 {
		model = "Erlang A"
	}
	var lines []staffLine
	for _, n := range k.Calls {
		l := staffLine{Calls: n}
		d := erlang.Demand{Rate: n / k.Interval.Seconds(), Handle: k.AHT.Seconds(), Patience: k.Patience.Seconds()}
		switch {
		case n == 0: // a night without calls needs nobody
			l.At = erlang.Performance{Stable: true, ServiceLevel: 1}
		case k.Agents > 0:
			if err := errors.Join(d.Check(), g.Check()); err != nil {
				return usageError{err}
			}
			l.At = d.At(k.Agents, g.T)
		default:
			if l.At, err = d.Agents(g); err != nil {
				return usageError{err}
			}
		}
		l.Load, l.Scheduled = d.Load(), erlang.Scheduled(l.At.Agents, float64(k.Shrinkage))
		lines = append(lines, l)
	}
	if k.JSON {
		return c.printJSON(struct {
			Model     string      `json:"model"`
			Intervals []staffLine `json:"intervals"`
		}{model, lines})
	}
	return c.table("CALLS\tERLANGS\tAGENTS\tROSTER\tIN "+strconv.FormatFloat(g.T, 'f', -1, 64)+"S\tASA\tWAIT AT ALL\tHANG UP\tOCCUPANCY", func(w io.Writer) {
		for _, l := range lines {
			asa := "without end"
			if !math.IsInf(l.At.ASA, 1) {
				asa = fmt.Sprintf("%.1fs", l.At.ASA)
			}
			fmt.Fprintf(w, "%g\t%.1f\t%d\t%d\t%.1f%%\t%s\t%.1f%%\t%.1f%%\t%.1f%%\n", l.Calls, l.Load, l.At.Agents, l.Scheduled,
				100*l.At.ServiceLevel, asa, 100*l.At.Waits, 100*l.At.Abandons, 100*l.At.Occupancy)
		}
	})
}
