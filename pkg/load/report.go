package load

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"text/tabwriter"
	"time"
)

// Report is what one run measured.
type Report struct {
	Scenario    Scenario       `json:"scenario"`
	Rate        float64        `json:"rate_offered"`
	Talk        float64        `json:"talk_s"`
	RTP         bool           `json:"rtp"`
	Good        int            `json:"good"`
	Failed      int            `json:"failed"`
	HeldBack    int            `json:"held_back"` // not started: the cap on calls at once was reached
	Causes      map[string]int `json:"causes,omitempty"`
	Achieved    float64        `json:"rate_achieved"` // good calls (or registrations) per second of offering
	WallS       float64        `json:"wall_s"`
	CallSeconds float64        `json:"call_seconds"` // conversation, summed over good calls
	// InviteToAgent: caller's INVITE sent to agent's INVITE received.
	InviteToAgentP50Ms float64 `json:"invite_to_agent_p50_ms"`
	InviteToAgentP99Ms float64 `json:"invite_to_agent_p99_ms"`
	// Keys: how many were answered, and the time from a key's end (RFC 4733 end bit) to the
	// first packet of the next prompt.
	Keys        int     `json:"keys,omitempty"`
	KeyP50Ms    float64 `json:"key_to_prompt_p50_ms,omitempty"`
	KeyP99Ms    float64 `json:"key_to_prompt_p99_ms,omitempty"`
	AnswerP50Ms float64 `json:"answer_p50_ms"`
	AnswerP99Ms float64 `json:"answer_p99_ms"`
	Packets     int64   `json:"rtp_packets"`
	Lost        int64   `json:"rtp_lost"`
	JitterP50Ms float64 `json:"rtp_jitter_p50_ms"`
	JitterP99Ms float64 `json:"rtp_jitter_p99_ms"`
	// Of single packets; the spread is by how much the way from side to side differed
	// from the packet before, which is how far their distance was changed on it.
	DelayP50Ms       float64 `json:"rtp_delay_p50_ms"`
	DelayP99Ms       float64 `json:"rtp_delay_p99_ms"`
	SpreadP99Ms      float64 `json:"rtp_spread_p99_ms"`
	Crossed          uint64  `json:"rtp_crossed"`
	Strangers        uint64  `json:"rtp_strangers"`
	SSRCChanges      int     `json:"rtp_ssrc_changes"`
	GeneratorLate    uint64  `json:"generator_late_packets"`
	GeneratorSkipped uint64  `json:"generator_skipped_packets"`
	Resent           uint64  `json:"sip_resent"`

	ServerCPU       time.Duration `json:"server_cpu_ns"`
	ServerRSS       int64         `json:"server_rss_bytes"`
	ServerRSSBefore int64         `json:"server_rss_before_bytes"`
	OwnCPU          time.Duration `json:"generator_cpu_ns"`
}

func (r *runner) report(wall time.Duration) Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.res
	rep := Report{Scenario: r.o.Scenario, Rate: r.o.Rate, Talk: r.o.Talk.Seconds(), RTP: r.o.RTP, Good: s.good, Failed: s.failed,
		HeldBack: s.heldBack, Causes: s.causes, WallS: wall.Seconds(), CallSeconds: s.talk.Seconds(),
		InviteToAgentP50Ms: ms(quantile(s.latency, 0.5)), InviteToAgentP99Ms: ms(quantile(s.latency, 0.99)),
		AnswerP50Ms: ms(quantile(s.answer, 0.5)), AnswerP99Ms: ms(quantile(s.answer, 0.99)),
		Keys: len(s.keys), KeyP50Ms: ms(quantile(s.keys, 0.5)), KeyP99Ms: ms(quantile(s.keys, 0.99)),
		Packets: s.packets, Lost: s.lost, JitterP50Ms: quantile(s.jitter, 0.5), JitterP99Ms: quantile(s.jitter, 0.99),
		Crossed: s.crossed, Strangers: s.strangers, SSRCChanges: s.ssrcChanges}
	offered := r.o.Duration.Seconds()
	if r.o.Calls > 0 {
		offered = min(offered, float64(r.o.Calls)/r.o.Rate)
	}
	if offered > 0 {
		rep.Achieved = float64(s.good) / offered
	}
	delay, spread := r.media.Delay()
	rep.DelayP50Ms, rep.DelayP99Ms, rep.SpreadP99Ms = ms(delay.Quantile(0.5)), ms(delay.Quantile(0.99)), ms(spread.Quantile(0.99))
	rep.GeneratorLate, rep.GeneratorSkipped = r.media.Late()
	rep.Resent = r.callers.Resent()
	if r.agents != nil {
		rep.Resent += r.agents.Resent()
	}
	return rep
}

// Clean tells that nothing failed, was held back or was lost by the generator.
func (r Report) Clean() bool {
	return r.Good > 0 && r.Failed == 0 && r.HeldBack == 0 && len(r.Causes) == 0
}

// CPUPerCallMs is the server's CPU per good call of this run, in milliseconds,
// talk included.
func (r Report) CPUPerCallMs() float64 {
	if r.Good == 0 {
		return 0
	}
	return ms(r.ServerCPU) / float64(r.Good)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantile is the nearest-rank quantile q of v, 0 for none. It sorts v.
func quantile[T int64 | float64 | time.Duration](v []T, q float64) T {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	i := int(q*float64(len(v))+0.9999999) - 1
	return v[min(max(i, 0), len(v)-1)]
}

// Print writes the run as a table for people.
func (r Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(k string, f string, a ...any) { fmt.Fprintf(t, "%s\t%s\n", k, fmt.Sprintf(f, a...)) }
	what := "calls"
	if r.Scenario == Register {
		what = "registrations"
	}
	row(what+" without failure", "%d (%.1f/s; offered %.1f/s)", r.Good, r.Achieved, r.Rate)
	row(what+" failed", "%d", r.Failed)
	causes := make([]string, 0, len(r.Causes))
	for k := range r.Causes {
		causes = append(causes, k)
	}
	sort.Strings(causes)
	for _, k := range causes {
		row("  "+k, "%d", r.Causes[k])
	}
	if r.HeldBack > 0 {
		row("not started (cap on calls at once)", "%d", r.HeldBack)
	}
	if r.Keys > 0 {
		row("keys answered", "%d", r.Keys)
		row("key let go -> next prompt's first packet p50 / p99", "%.1f / %.1f ms", r.KeyP50Ms, r.KeyP99Ms)
	}
	if r.Scenario != Register && r.Scenario != Echo && r.Scenario != Keys {
		row("caller's INVITE -> agent's INVITE p50 / p99", "%.1f / %.1f ms", r.InviteToAgentP50Ms, r.InviteToAgentP99Ms)
	}
	row("answer p50 / p99", "%.1f / %.1f ms", r.AnswerP50Ms, r.AnswerP99Ms)
	if r.RTP && r.Scenario != Keys {
		row("RTP received, lost", "%d, %d (%.3f %%)", r.Packets, r.Lost, 100*float64(r.Lost)/float64(max(r.Packets+r.Lost, 1)))
		row("RTP jitter p50 / p99 over legs", "%.2f / %.2f ms", r.JitterP50Ms, r.JitterP99Ms)
		row("sound through the server p50 / p99", "%.2f / %.2f ms", r.DelayP50Ms, r.DelayP99Ms)
		row("distance of packets changed on the way, p99", "%.2f ms", r.SpreadP99Ms)
		row("crosstalk, strangers, SSRC changes", "%d, %d, %d", r.Crossed, r.Strangers, r.SSRCChanges)
		if r.GeneratorLate+r.GeneratorSkipped > 0 {
			row("generator's own late, skipped packets", "%d, %d", r.GeneratorLate, r.GeneratorSkipped)
		}
	}
	if r.Resent > 0 {
		row("SIP messages sent again by the generator", "%d", r.Resent)
	}
	if r.ServerCPU > 0 {
		row("server CPU", "%.2f s, %.3f ms a call (talk included), %.0f %% of a core", r.ServerCPU.Seconds(), r.CPUPerCallMs(), 100*r.ServerCPU.Seconds()/r.WallS)
		row("server memory before, after", "%.1f, %.1f MB", float64(r.ServerRSSBefore)/1e6, float64(r.ServerRSS)/1e6)
	}
	row("generator CPU", "%.2f s", r.OwnCPU.Seconds())
	_ = t.Flush()
}

func selfUsage() Usage { u, _ := ReadUsage(os.Getpid()); return u }
