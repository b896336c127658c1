package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/event"
)

func (c *cli) printJSON(v any) error {
	e := json.NewEncoder(c.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// table prints rows in columns.
func (c *cli) table(header string, rows func(w io.Writer)) error {
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, header)
	rows(w)
	return w.Flush()
}

func seconds(ms int64) string { return fmt.Sprintf("%d.%ds", ms/1000, ms%1000/100) }

func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

type callCmd struct {
	List       callListCmd       `cmd:"" help:"Calls, newest first." default:"withargs"`
	Show       callShowCmd       `cmd:"" help:"One call: segments, who talked, why it ended, what the queue decided."`
	Why        callWhyCmd        `cmd:"" help:"Why a caller waited and why that agent: the queue's decisions in sentences, and how the call stands now."`
	Push       callPushCmd       `cmd:"" help:"Give a waiting caller to an agent, out of turn: centrala call push ID bob."`
	Pull       callPullCmd       `cmd:"" help:"Let an agent take a waiting caller, out of turn, ready or not."`
	Priority   callPriorityCmd   `cmd:"" help:"Change a waiting caller's priority: centrala call priority ID 5."`
	Supervise  callSuperviseCmd  `cmd:"" help:"Listen to a live call from a supervisor's phone, whisper to the agent or barge in: centrala call supervise ID whisper --device desk9; without --device changes who listens, off ends it."`
	Play       callPlayCmd       `cmd:"" help:"Play a prompt to one side of a live call: centrala call play ID caller legal_notice; without a prompt stops it."`
	Start      callStartCmd      `cmd:"" help:"Call somebody and lead who answers into a flow: centrala call start +37322123456 --flow informer."`
	Hangup     callHangupCmd     `cmd:"" help:"End a live call."`
	Transfer   callTransferCmd   `cmd:"" help:"Let the agent's partner talk to somebody else: centrala call transfer ID 202."`
	Conference callConferenceCmd `cmd:"" help:"Ring a further party into the conversation."`
	Hold       callHoldCmd       `cmd:"" help:"Put the agent's partner on hold with music, or take it back (--off)."`
	Stream     callStreamCmd     `cmd:"" help:"The call's sound to a machine: centrala call stream ID wss://HOST/PATH, or --stop."`
	Verbs      callVerbsCmd      `cmd:"" help:"Have a call in a menu or a queue do something else: centrala call verbs ID '[{\"play\": [\"closed_now\"]}]'."`
	Park       callParkCmd       `cmd:"" help:"Park the agent's partner in a slot; *70SLOT fetches it."`
}

type callListCmd struct {
	target
	Live    bool   `help:"Only calls in progress."`
	Limit   int    `help:"How many, 1 to 500." default:"20"`
	Caller  string `help:"Caller's number."`
	Dialled string `help:"Dialled number."`
	Agent   string `help:"Who talked."`
	Queue   string `help:"Queue that was entered."`

	Disposition string `help:"That an agent gave; past calls alone."`
}

func (k callListCmd) Run(c *cli) error {
	page, err := k.client().Calls(context.Background(), api.CallFilter{Limit: k.Limit, Live: k.Live, Caller: k.Caller, Dialled: k.Dialled, Agent: k.Agent, Queue: k.Queue, Disposition: k.Disposition})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(page)
	}
	return c.table("ID\tSTARTED\tDIRECTION\tFROM\tTO\tQUEUE\tAGENT\tWAIT\tTALK\tEND", func(w io.Writer) {
		for _, r := range page.Calls {
			end := string(r.Result) + "/" + string(r.Reason)
			if r.Open() {
				end = "live: " + segmentNow(r)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, clock(r.Started), r.Direction, dash(r.From), dash(r.To),
				dash(r.Queue), dash(r.Agent), seconds(r.WaitMs), seconds(r.TalkMs), end)
		}
	})
}

func segmentNow(r cdr.Call) string {
	if n := len(r.Segments); n > 0 {
		return string(r.Segments[n-1].Kind)
	}
	return "starting"
}

type callShowCmd struct {
	target
	ID     string `arg:"" help:"Call id."`
	Events bool   `help:"Also every event of the journal."`
}

// noteOf is a note on the line of what it is about.
func noteOf(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(", %q", s)
}

func (k callShowCmd) Run(c *cli) error {
	d, err := k.client().Call(context.Background(), k.ID)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(d)
	}
	fmt.Fprintf(c.out, "call %s\n  %s, from %s to %s, started %s\n", d.ID, d.Direction, dash(d.From), dash(d.To), clock(d.Started))
	for _, s := range d.Segments {
		fmt.Fprintf(c.out, "  %8s  %-8s %8s  %s\n", "+"+seconds(s.AtMs), s.Kind, seconds(s.Ms), segmentDetail(s))
	}
	for _, l := range d.Legs {
		fmt.Fprintf(c.out, "  leg %d: %s\n", l.Leg, legDetail(l))
	}
	for _, r := range d.Recordings {
		state := "closed"
		if !r.Closed {
			state = "being written"
		}
		if r.Fault != "" {
			state = "DAMAGED: " + r.Fault
		}
		if r.PausedMs > 0 {
			state += ", paused for " + seconds(r.PausedMs)
		}
		if r.SHA256 != "" {
			state += ", SHA-256 " + r.SHA256
		}
		fmt.Fprintf(c.out, "  recording %s, %s, %s\n", r.Path, seconds(r.DurationMs), state)
	}
	for _, line := range why(d.Events) {
		fmt.Fprintln(c.out, "  "+line)
	}
	for _, x := range d.Dispositions {
		fmt.Fprintf(c.out, "  disposition by %s: %s%s\n", x.Agent, x.Disposition, noteOf(x.Note))
	}
	if d.Open() {
		fmt.Fprintln(c.out, "  still running")
	} else {
		fmt.Fprintf(c.out, "  ended by %s: %s; waited %s, talked %s, on hold %s, in all %s\n", d.Result, d.Reason,
			seconds(d.WaitMs), seconds(d.TalkMs), seconds(d.HoldMs), seconds(d.TotalMs))
	}
	if k.Events {
		for _, e := range d.Events {
			fmt.Fprintf(c.out, "  %s  %-18s %s\n", e.At.Local().Format("15:04:05.000"), e.Kind, e.Data)
		}
	}
	return nil
}

func segmentDetail(s cdr.Segment) string {
	var parts []string
	for _, p := range [][2]string{{"flow", s.Flow}, {"queue", s.Queue}, {"agent", s.Agent}, {"device", s.Device}, {"number", s.Number}, {"by", s.By}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

func legDetail(l cdr.Leg) string {
	who := "caller"
	switch {
	case l.Leg == 0:
	case l.Agent != "":
		who = "agent " + l.Agent + " on " + l.Device
	case l.Trunk != "":
		who = "trunk " + l.Trunk + " to " + l.Number
	default:
		who = "device " + l.Device
	}
	if a := l.Audio; a != nil {
		who += fmt.Sprintf("; %s, received %d packets, lost %d, jitter %.1f ms, sent %d", a.Codec, a.PacketsReceived, a.PacketsLost, a.JitterMs, a.PacketsSent)
		if a.RTTMs > 0 {
			who += fmt.Sprintf(", round trip %.1f ms, its loss %d", a.RTTMs, a.RemoteLost)
		}
		who += mosDetail("we hear it", a.MOSIn) + mosDetail("it hears us", a.MOSOut)
		if a.RemoteMOS > 0 {
			who += fmt.Sprintf("; the phone says %.1f", a.RemoteMOS)
		}
	}
	if l.Code != 0 {
		who += fmt.Sprintf("; refused with %d", l.Code)
	}
	return who
}

// mosDetail is one direction's score.
func mosDetail(what string, s *event.Score) string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf("; %s with MOS %.2f, at worst %.2f", what, s.Mean, s.Low)
}

// why tells the queue's decisions, and what was done to the call, in sentences.
func why(records []event.Record) []string {
	var out []string
	for _, r := range records {
		e, err := event.Decode(r)
		if err != nil {
			continue // a newer server's event; --events shows it raw
		}
		switch b := e.Body.(type) {
		case event.Decision:
			out = append(out, acd.Sentence(b))
		case event.OfferEnded:
			if b.Outcome != "accepted" {
				out = append(out, fmt.Sprintf("%s did not take it: %s after %s", b.Agent, b.Outcome, seconds(b.RingMs)))
			}
		case event.TransferAsked:
			who := fmt.Sprintf("leg %d", b.Leg)
			if b.Device != "" {
				who = "device " + b.Device
			}
			out = append(out, fmt.Sprintf("%s asked for %s transfer to %q by %s%s", who, transferNames[b.Transfer], b.To, b.By, refusedWith(b.Code)))
		case event.TransferEnded:
			out = append(out, fmt.Sprintf("that transfer: %s%s", strings.ReplaceAll(b.Outcome, "_", " "), because(b)))
		case event.LegTransferred:
			if b.ToCall != "" {
				out = append(out, fmt.Sprintf("leg %d went over to call %s", b.Leg, b.ToCall))
			} else {
				out = append(out, fmt.Sprintf("leg %d came over from call %s", b.Leg, b.FromCall))
			}
		case event.SupervisionStarted:
			out = append(out, fmt.Sprintf("%s listened to %s from device %s as leg %d (%s) by %s", dash(b.User), dash(b.Agent), b.Device, b.Leg, b.Mode, b.By))
		case event.SupervisionChanged:
			out = append(out, fmt.Sprintf("%s went over from %s to %s by %s", dash(b.User), b.Was, b.Mode, b.By))
		case event.SupervisionEnded:
			out = append(out, fmt.Sprintf("%s stopped listening after %s: %s", dash(b.User), seconds(b.LastedMs), strings.ReplaceAll(b.Reason, "_", " ")))
		case event.SupervisionRefused:
			out = append(out, fmt.Sprintf("%s at device %s wanted to listen to %s (%s) by %s; refused with %d", dash(b.User), b.Device, dash(b.Agent), b.Mode, b.By, b.Code))
		case event.AnnouncementStarted:
			out = append(out, fmt.Sprintf("prompt %s played to leg %d (%s) by %s", b.Prompt, b.Leg, b.Side, b.By))
		case event.AnnouncementEnded:
			out = append(out, fmt.Sprintf("prompt %s to leg %d: %s", b.Prompt, b.Leg, b.Outcome))
		case event.AudioAlarm:
			out = append(out, fmt.Sprintf("nothing came from leg %d for %s (%s)", b.Leg, seconds(b.SilentMs), alarmNames[b.Alarm]))
		case event.AudioCleared:
			out = append(out, fmt.Sprintf("leg %d: that silence ended after %s", b.Leg, seconds(b.LastedMs)))
		case event.StreamStarted:
			out = append(out, fmt.Sprintf("stream to %s, by %s", b.URL, b.By))
		case event.StreamEnded:
			out = append(out, fmt.Sprintf("stream %s after %s, heard %s of the machine, %d frames sent, %d lost %s", b.Outcome, seconds(b.DurationMs), seconds(b.PlayedMs), b.FramesSent, b.FramesDropped, b.Detail))
		case event.RecordingPaused:
			out = append(out, fmt.Sprintf("recording paused at %s by %s", seconds(b.AtMs), b.By))
		case event.RecordingResumed:
			out = append(out, fmt.Sprintf("recording went on at %s by %s", seconds(b.AtMs), b.By))
		case event.MessageKept:
			out = append(out, fmt.Sprintf("flow %s at %s: message %s of %s, %s of it spoken %s", b.Flow, b.Step, b.Recording, seconds(b.DurationMs), seconds(b.VoiceMs), b.For))
		case event.FlowJob:
			out = append(out, strings.TrimSpace(fmt.Sprintf("flow %s at %s: %s %s after %s %s", b.Flow, b.Step, b.Job, b.Outcome, seconds(b.TookMs), b.Error)))
		case event.FlowFailed:
			out = append(out, fmt.Sprintf("flow %s failed at %s: %s", b.Flow, dash(b.Step), b.Error))
		}
	}
	return out
}

var alarmNames = map[string]string{"one_way": "its partner was sending", "both_silent": "nor from its partner"}

var transferNames = map[string]string{"blind": "a blind", "attended": "an attended", "park": "a parking", "third": "a three-way"}

func refusedWith(code int) string {
	if code == 202 {
		return ""
	}
	return fmt.Sprintf("; refused with %d", code)
}

func because(b event.TransferEnded) string {
	s := ""
	if b.Slot != "" {
		s += ", slot " + b.Slot
	}
	if b.Reason != "" {
		s += ", the target: " + strings.ReplaceAll(string(b.Reason), "_", " ")
	}
	if b.Code != 0 {
		s += fmt.Sprintf(" (%d)", b.Code)
	}
	return s
}

type callHangupCmd struct {
	target
	ID string `arg:"" help:"Call id."`
}

type callTransferCmd struct {
	target
	ID     string `arg:"" help:"Call id."`
	Target string `arg:"" help:"A number as that phone would dial it, queue:NAME, flow:NAME, agent:NAME or device:NAME."`
	Leg    int    `help:"Leg that transfers its partner; -1 = the agent's." default:"-1"`
}

func (k callTransferCmd) Run(c *cli) error {
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: "transfer", Leg: k.Leg, Target: k.Target, By: "cli"})
}

type callConferenceCmd struct {
	target
	ID     string `arg:"" help:"Call id."`
	Target string `arg:"" help:"Who shall take part: a number, agent:NAME or device:NAME."`
	Leg    int    `help:"Leg that asks; -1 = the agent's." default:"-1"`
}

func (k callConferenceCmd) Run(c *cli) error {
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: "conference", Leg: k.Leg, Target: k.Target, By: "cli"})
}

type callHoldCmd struct {
	target
	ID  string `arg:"" help:"Call id."`
	Off bool   `help:"Take the call back."`
	Leg int    `help:"Leg whose partner hears music; -1 = the agent's." default:"-1"`
}

func (k callHoldCmd) Run(c *cli) error {
	action := "hold"
	if k.Off {
		action = "resume"
	}
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: action, Leg: k.Leg, By: "cli"})
}

type callParkCmd struct {
	target
	ID   string `arg:"" help:"Call id."`
	Slot string `help:"Two digits; any free one when left out."`
	Leg  int    `help:"Leg whose partner is parked; -1 = the agent's." default:"-1"`
}

func (k callParkCmd) Run(c *cli) error {
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: "park", Leg: k.Leg, Target: k.Slot, By: "cli"})
}

type callSuperviseCmd struct {
	target
	ID     string `arg:"" help:"Call id."`
	Mode   string `arg:"" enum:"monitor,whisper,barge,off" help:"monitor, whisper, barge or off."`
	Device string `help:"The supervisor's phone, which is called."`
	Leg    int    `default:"-1" help:"Whom to listen to; default the agent's side."`
}

func (k callSuperviseCmd) Run(c *cli) error {
	to := k.Mode
	if k.Device != "" {
		to += " " + k.Device
	}
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: "supervise", Leg: k.Leg, Target: to, By: "cli"})
}

type callPlayCmd struct {
	target
	ID     string `arg:"" help:"Call id."`
	Side   string `arg:"" enum:"caller,agent,both" help:"caller, agent or both."`
	Prompt string `arg:"" optional:"" help:"Prompt; none = stop what plays."`
}

func (k callPlayCmd) Run(c *cli) error {
	to := k.Side
	if k.Prompt != "" {
		to += " " + k.Prompt
	}
	return k.client().CommandCall(context.Background(), k.ID, api.CallCommand{Action: "play", Leg: -1, Target: to, By: "cli"})
}

func (k callHangupCmd) Run(c *cli) error { return k.client().HangUp(context.Background(), k.ID) }

type agentCmd struct {
	List agentListCmd `cmd:"" help:"Agents and their states." default:"withargs"`
	Set  agentSetCmd  `cmd:"" help:"Move an agent: ready, not_ready, offline, wrap_up_done, extend_wrap_up."`
}

type agentListCmd struct{ target }

func (k agentListCmd) Run(c *cli) error {
	agents, err := k.client().Agents(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(agents)
	}
	return c.table("AGENT\tDEVICE\tSTATE\tSINCE\tREACHABLE\tQUEUES", func(w io.Writer) {
		for _, a := range agents {
			state := a.State
			if a.Reason != "" {
				state += " (" + a.Reason + ")"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%s\n", a.Name, dash(a.Device), state, time.Since(a.Since).Round(time.Second), a.Reachable, strings.Join(a.Queues, ","))
		}
	})
}

type agentSetCmd struct {
	target
	Name   string `arg:"" help:"Agent."`
	State  string `arg:"" enum:"ready,not_ready,offline,wrap_up_done,extend_wrap_up" help:"ready, not_ready, offline, wrap_up_done or extend_wrap_up."`
	Reason string `help:"Why not ready, such as lunch."`
	Device string `help:"With ready: log in from this device today."`
	Once   bool   `help:"With ready: for one call."`
	For    int    `help:"With extend_wrap_up: seconds more."`
	Force  bool   `help:"As supervisor: ends a fixed wrap-up too."`
}

func (k agentSetCmd) Run(c *cli) error {
	cmd := api.AgentCommand{State: k.State, Reason: k.Reason, Device: k.Device, Once: k.Once, Seconds: k.For}
	if k.Force {
		cmd.By = "supervisor"
	}
	return k.client().CommandAgent(context.Background(), k.Name, cmd)
}

type queueCmd struct {
	List queueListCmd `cmd:"" help:"Queues and who waits." default:"withargs"`
}

type queueListCmd struct{ target }

func (k queueListCmd) Run(c *cli) error {
	queues, err := k.client().Queues(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(queues)
	}
	return c.table("QUEUE\tWAITING\tLONGEST\tLOGGED IN\tFREE", func(w io.Writer) {
		for _, q := range queues {
			longest := "-"
			if !q.Oldest.IsZero() {
				longest = time.Since(q.Oldest).Round(time.Second).String()
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\n", q.Name, q.Waiting, longest, q.LoggedIn, q.Free)
		}
	})
}

type userCmd struct {
	List     userListCmd     `cmd:"" help:"Devices, their accounts and where they are reached." default:"withargs"`
	Accounts userAccountsCmd `cmd:"" help:"Who can sign in to the console, and how."`
	Add      userAddCmd      `cmd:"" help:"Make an account; prints a one-time link that sets its password."`
	Link     userLinkCmd     `cmd:"" help:"Another one-time link for an account."`
	Passwd   userPasswdCmd   `cmd:"" help:"Set an account's password from standard input."`
	Disable  userDisableCmd  `cmd:"" help:"Lock an account out and end its sessions, or let it in again."`
	Reset2FA userResetCmd    `cmd:"" name:"reset-2fa" help:"Take second factor and passkeys away, for who lost them."`
}

type userListCmd struct{ target }

func (k userListCmd) Run(c *cli) error {
	devices, err := k.client().Devices(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(devices)
	}
	return c.table("DEVICE\tUSERNAME\tUSER\tREACHED AT", func(w io.Writer) {
		for _, d := range devices {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", d.Name, d.Username, dash(d.User), dash(strings.Join(d.Contacts, " ")))
		}
	})
}

type trunkCmd struct {
	List trunkListCmd `cmd:"" help:"Lines to carriers: registered, up, calls, last error." default:"withargs"`
}

type trunkListCmd struct{ target }

func (k trunkListCmd) Run(c *cli) error {
	trunks, err := k.client().Trunks(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(trunks)
	}
	return c.table("TRUNK\tREGISTRATION\tUP\tRTT\tCALLS\tADDRESS\tLAST ERROR", func(w io.Writer) {
		for _, t := range trunks {
			up, rtt, calls, last := "-", "-", fmt.Sprint(t.Calls), "-"
			if t.Probed {
				up = map[bool]string{true: "yes", false: "no"}[t.Up]
				if t.RTTMs > 0 {
					rtt = fmt.Sprintf("%.1f ms", t.RTTMs)
				}
			}
			if t.MaxCalls > 0 {
				calls += fmt.Sprintf("/%d", t.MaxCalls)
			}
			if t.LastError != "" {
				last = time.Since(t.LastErrorAt).Round(time.Second).String() + " ago: " + t.LastError
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.Name, t.Registration, up, rtt, calls, dash(t.Address), last)
		}
	})
}

type recordingCmd struct {
	List   recordingListCmd   `cmd:"" help:"Recordings, newest first." default:"withargs"`
	Path   recordingPathCmd   `cmd:"" help:"Print the file of a call's recording, for a player."`
	Verify recordingVerifyCmd `cmd:"" help:"Read a recording's file and compare its checksum with the index."`
	Pause  recordingPauseCmd  `cmd:"" help:"Leave a marked silence in a live call's recording from now on (card numbers)."`
	Resume recordingResumeCmd `cmd:"" help:"End that silence."`
	Start  recordingStartCmd  `cmd:"" help:"Begin to record a live call whose policy is on_demand."`
	Stop   recordingStopCmd   `cmd:"" help:"Stop recording a live call."`
}

type recordingVerifyCmd struct {
	target
	ID string `arg:"" help:"Recording id, as centrala recording list shows it."`
}

func (k recordingVerifyCmd) Run(c *cli) error {
	v, err := k.client().VerifyRecording(context.Background(), k.ID)
	if err != nil {
		return err
	}
	if k.JSON {
		if err := c.printJSON(v); err != nil {
			return err
		}
	} else if v.OK {
		fmt.Fprintf(c.out, "%s is as it was stored: %d bytes, SHA-256 %s\n", v.Path, v.SizeBytes, v.SHA256)
	}
	if !v.OK {
		return fmt.Errorf("%s: %s", v.Path, v.Problem)
	}
	return nil
}

// liveRecording is a command to the recording of a call in progress.
type liveRecording struct {
	target
	Call string `arg:"" help:"Call id."`
}

func (k liveRecording) ask(action string) error {
	return k.client().CommandCall(context.Background(), k.Call, api.CallCommand{Action: "record", Leg: -1, Target: action, By: "cli"})
}

type (
	recordingPauseCmd  struct{ liveRecording }
	recordingResumeCmd struct{ liveRecording }
	recordingStartCmd  struct{ liveRecording }
	recordingStopCmd   struct{ liveRecording }
)

func (k recordingPauseCmd) Run(*cli) error  { return k.ask("pause") }
func (k recordingResumeCmd) Run(*cli) error { return k.ask("resume") }
func (k recordingStartCmd) Run(*cli) error  { return k.ask("start") }
func (k recordingStopCmd) Run(*cli) error   { return k.ask("stop") }

type recordingListCmd struct {
	target
	Limit int `help:"How many, 1 to 500." default:"20"`
}

func (k recordingListCmd) Run(c *cli) error {
	list, err := k.client().Recordings(context.Background(), k.Limit)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(list)
	}
	return c.table("ID\tSTARTED\tLENGTH\tBYTES\tPATH\tSTATE", func(w io.Writer) {
		for _, r := range list {
			state := "closed"
			if r.Open {
				state = "being written"
			}
			if r.Fault != "" {
				state = "DAMAGED: " + r.Fault
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", r.ID, clock(r.Started), seconds(r.DurationMs), r.SizeBytes, r.Path, state)
		}
	})
}

type recordingPathCmd struct {
	target
	Call string `arg:"" help:"Call id."`
}

func (recordingPathCmd) Help() string {
	return "Example:\n  play $(centrala recording path 019ab3c4-...)"
}

func (k recordingPathCmd) Run(c *cli) error {
	ctx := context.Background()
	d, err := k.client().Call(ctx, k.Call)
	if err != nil {
		return err
	}
	if len(d.Recordings) == 0 {
		return errors.New("this call was not recorded")
	}
	s, err := k.client().Status(ctx)
	if err != nil {
		return err
	}
	for _, r := range d.Recordings {
		fmt.Fprintln(c.out, filepath.Join(s.Recordings, r.Path))
	}
	return nil
}

type statusCmd struct{ target }

func (k statusCmd) Run(c *cli) error {
	s, err := k.client().Status(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(s)
	}
	state := "running"
	if s.Draining {
		state = "draining"
	}
	fmt.Fprintf(c.out, "%s, node %s, version %s, up %s\n%d calls, resources at revision %d\nSIP on %s\n", state, s.Node, s.Version,
		time.Since(s.Started).Round(time.Second), s.Calls, s.Revision, strings.Join(s.SIP, ", "))
	return nil
}

type reloadCmd struct{ target }

func (k reloadCmd) Run(c *cli) error {
	r, err := k.client().Reload(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(r)
	}
	fmt.Fprintf(c.out, "applied: %s\n", dash(strings.Join(r.Applied, ", ")))
	if len(r.Restart) > 0 {
		fmt.Fprintf(c.out, "waiting for a restart: %s\n", strings.Join(r.Restart, ", "))
	}
	return nil
}

type drainCmd struct{ target }

func (k drainCmd) Run(c *cli) error { return k.client().Drain(context.Background()) }
