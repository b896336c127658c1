package report

import (
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/event"
)

// QueueLog writes the events of one tenant as the lines of Asterisk's queue_log
// (its documentation, "Queue Logs"), for the tools that read that: seconds since
// 1970, call, queue, agent, event and its parameters, separated by "|". Times in
// parameters are whole seconds, of RINGNOANSWER and RINGCANCELED milliseconds.
// Words of ours that app_queue has no event for are left out, and where it knows
// more than the journal does, the parameter is empty.
type QueueLog struct {
	emit  func(line string)
	past  func(callID string, before uint64) []event.Event
	mute  bool // what is fed now was written down before
	calls map[string]*loggedCall
	login map[string]int64 // agent -> log-in
}

type loggedCall struct {
	number, name string
	queue        string
	position     int // at the join
	agent        string
	answered     int64
	hold         int64 // ms of waiting before the answer
	ring         int64
	transfer     event.TransferAsked
}

// QueueLogKinds are the kinds of events that a QueueLog reads.
var QueueLogKinds = []string{
	event.CallStarted{}.Kind(), event.CallEnded{}.Kind(), event.QueueEntered{}.Kind(), event.QueueLeft{}.Kind(),
	event.OfferEnded{}.Kind(), event.AgentStateChanged{}.Kind(), event.TransferAsked{}.Kind(), event.TransferEnded{}.Kind(),
	event.EngineStarted{}.Kind(),
}

// NewQueueLog gives each line to emit. past is asked for the earlier events of a
// call that began before what is fed; it holds the calls that run, no more.
func NewQueueLog(emit func(line string), past func(callID string, before uint64) []event.Event) *QueueLog {
	return &QueueLog{emit: emit, past: past, calls: map[string]*loggedCall{}, login: map[string]int64{}}
}

// clean keeps a text from strangers inside its field.
var clean = strings.NewReplacer("|", " ", "\n", " ", "\r", " ")

func secs(ms int64) string { return strconv.FormatInt(ms/1000, 10) }

// Feed takes the next event.
func (q *QueueLog) Feed(e event.Event) {
	now := e.At.UnixMilli()
	line := func(queue, agent, word string, params ...string) {
		if q.mute {
			return
		}
		fields := []string{secs(now), e.CallID, queue, agent, word}
		for i, f := range fields {
			if f == "" {
				fields[i] = "NONE"
			}
		}
		for _, p := range params {
			fields = append(fields, clean.Replace(p))
		}
		q.emit(strings.Join(fields, "|"))
	}
	switch b := e.Body.(type) {
	case event.EngineStarted:
		line("", "", "QUEUESTART")
		clear(q.login)
		return
	case event.AgentStateChanged:
		q.agent(b, now, line)
		return
	case event.CallStarted:
		c := &loggedCall{number: b.From, name: b.Display}
		if b.Private {
			c.number, c.name = "", ""
		}
		q.calls[e.CallID] = c
		return
	}
	c := q.calls[e.CallID]
	if c == nil {
		if e.CallID == "" {
			return
		}
		if q.mute {
			return // its start is gone
		}
		if c = q.before(e); c == nil {
			return
		}
	}
	switch b := e.Body.(type) {
	case event.QueueEntered:
		q.complete(c, now, "caller", line)
		c.queue, c.position, c.ring = b.Queue, b.Position, 0
		line(b.Queue, "", "ENTERQUEUE", "", c.number, strconv.Itoa(b.Position), c.name)
	case event.OfferEnded:
		switch b.Outcome {
		case "accepted":
			c.ring = b.RingMs
		case "no_answer":
			line(b.Queue, b.Agent, "RINGNOANSWER", strconv.FormatInt(b.RingMs, 10))
		case "caller_left":
			line(b.Queue, b.Agent, "RINGCANCELED", strconv.FormatInt(b.RingMs, 10))
		}
	case event.QueueLeft:
		pos, wait := strconv.Itoa(c.position), secs(b.WaitMs)
		switch b.Outcome {
		case "answered":
			c.agent, c.answered, c.hold = b.Agent, now, b.WaitMs
			line(b.Queue, b.Agent, "CONNECT", wait, e.CallID, secs(c.ring))
		case "abandoned":
			line(b.Queue, "", "ABANDON", "", pos, wait)
		case "timeout", "overflow":
			line(b.Queue, "", "EXITWITHTIMEOUT", "", pos, wait)
		case "empty":
			if c.queue == b.Queue {
				line(b.Queue, "", "EXITEMPTY", "", pos, wait)
			} else {
				line(b.Queue, "", "JOINEMPTY")
			}
		case "full":
			line(b.Queue, "", "FULL")
		case "key", "callback":
			line(b.Queue, "", "EXITWITHKEY", "", "", pos, wait)
		}
		if b.Outcome != "answered" {
			c.queue = ""
		}
	case event.TransferAsked:
		if b.Code == 202 {
			c.transfer = b
		}
	case event.TransferEnded:
		if b.Outcome == "done" && c.agent != "" && c.transfer.Agent == c.agent {
			hold, talk, pos := secs(c.hold), secs(max(0, now-c.answered)), strconv.Itoa(c.position)
			switch b.Transfer {
			case "blind":
				line(c.queue, c.agent, "BLINDTRANSFER", c.transfer.To, "", hold, talk, pos)
				c.agent = ""
			case "attended":
				line(c.queue, c.agent, "ATTENDEDTRANSFER", "BRIDGE", c.transfer.OtherID, hold, talk, pos)
				c.agent = ""
			}
		}
	case event.CallEnded:
		q.complete(c, now, string(b.Result), line)
		delete(q.calls, e.CallID)
	}
}

// before takes up a call that began before what was fed.
func (q *QueueLog) before(e event.Event) *loggedCall {
	q.mute = true
	defer func() { q.mute = false }()
	for _, p := range q.past(e.CallID, e.Seq) {
		if _, agent := p.Body.(event.AgentStateChanged); !agent {
			q.Feed(p)
		}
	}
	return q.calls[e.CallID]
}

// complete tells the end of a conversation with an agent.
func (q *QueueLog) complete(c *loggedCall, now int64, by string, line func(queue, agent, word string, params ...string)) {
	if c.agent == "" {
		return
	}
	word := "COMPLETECALLER"
	if by == string(event.ResultAgent) {
		word = "COMPLETEAGENT"
	}
	line(c.queue, c.agent, word, secs(c.hold), secs(max(0, now-c.answered)), strconv.Itoa(c.position))
	c.agent, c.queue = "", ""
}

func (q *QueueLog) agent(b event.AgentStateChanged, now int64, line func(queue, agent, word string, params ...string)) {
	switch {
	case b.From == offline && b.To != offline:
		q.login[b.Agent] = now
		line("", b.Agent, "AGENTLOGIN", "")
	case b.To == offline && b.From != offline:
		took := ""
		if at, ok := q.login[b.Agent]; ok {
			took = secs(max(0, now-at))
			delete(q.login, b.Agent)
		}
		line("", b.Agent, "AGENTLOGOFF", "", took)
	case b.To == "not_ready" && b.From != "not_ready":
		line("", b.Agent, "PAUSEALL", b.Reason)
	case b.From == "not_ready" && b.To != "not_ready":
		line("", b.Agent, "UNPAUSEALL", "")
	}
}
