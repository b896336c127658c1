//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// scenario is one file of the library and what it must have seen at the end,
// beyond what it checks by itself.
type scenario struct {
	file string // in sipp/GROUP, without .xml
	to   string // -s: number dialled, or user that registers
	from netip.Addr
	via  string // sipp's -t; "" = u1, one UDP socket
	pass string // password of -s for digest
	uri  string // user part of the URI in the credentials; "" = none, the server's own
	// received: a pattern (in one line, the line breaks of a message taken out)
	// and how many messages from the server hold it, at least and at most.
	received map[string][2]int
	port     uint16                        // where sipp listens; 0: any
	with     func(h *house) (string, bool) // the other side, while sipp runs; false: not as it should be
	timeout  string                        // seconds for the whole; "" = 20
	second   *scenario                     // another sipp that runs beside it
	gap      string                        // what the server does not do yet: skipped, and why
}

// atOnce bounds the sipp processes that run side by side.
const atOnce = 10

// scenarios plays a group side by side against one server and tells of each as a
// subtest. It wants nothing left running at the end.
func (h *house) scenarios(t *testing.T, group string, list []scenario) {
	t.Helper()
	only := regexp.MustCompile("")
	if f := flag.Lookup("test.run"); f != nil {
		if _, rest, ok := strings.Cut(f.Value.String(), "/"); ok {
			only = regexp.MustCompile(rest)
		}
	}
	type verdict struct {
		s    scenario
		why  string
		took time.Duration
	}
	verdicts := make([]verdict, len(list))
	gate := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i, s := range list {
		verdicts[i].s = s
		if s.gap != "" || !only.MatchString(s.file) {
			continue
		}
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			start := time.Now()
			verdicts[i].why = h.play(group, s)
			verdicts[i].took = time.Since(start)
		})
	}
	wg.Wait()
	for _, v := range verdicts {
		t.Run(v.s.file, func(t *testing.T) {
			if v.s.gap != "" {
				t.Skip(v.s.gap)
			}
			t.Logf("%.1f s", v.took.Seconds())
			if v.why != "" {
				t.Error(v.why)
			}
		})
	}
	// A file that nobody plays proves nothing.
	files, err := filepath.Glob(filepath.Join("sipp", group, "*.xml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in sipp/%s: %v", group, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".xml")
		if !slices.ContainsFunc(list, func(s scenario) bool { return s.file == name || s.second != nil && s.second.file == name }) {
			t.Errorf("sipp/%s/%s.xml is played by no test", group, name)
		}
	}
	h.quiet()
	h.eventually(patience, "no subscription is left", func() bool { return h.metric("centrala_sip_subscriptions") == 0 })
}

// play runs one scenario; it returns what was wrong.
func (h *house) play(group string, s scenario) string {
	ctx, cancel := context.WithTimeout(context.Background(), 75*time.Second)
	defer cancel()
	xml, err := filepath.Abs(filepath.Join("sipp", group, s.file+".xml"))
	if err != nil {
		return err.Error()
	}
	from := s.from
	if !from.IsValid() {
		from = carrierIP
	}
	port := s.port
	if port == 0 {
		port = freePort(h.t)
	}
	via := s.via
	if via == "" {
		via = "u1"
	}
	messages := filepath.Join(h.dir, fmt.Sprintf("%s-%d.messages", s.file, port))
	faults := filepath.Join(h.dir, fmt.Sprintf("%s-%d.errors", s.file, port))
	mp, release := sippRTP(h.t)
	defer release()
	args := []string{h.sip.String(), "-sf", xml, "-s", s.to, "-m", "1", "-l", "1", "-i", from.String(), "-mi", from.String(), "-p", fmt.Sprint(port), "-mp", fmt.Sprint(mp),
		"-cp", fmt.Sprint(freePort(h.t)), "-t", via, "-nostdin", "-timeout", cmp.Or(s.timeout, "20"), "-timeout_error", "-recv_timeout", "9000",
		"-trace_err", "-error_file", faults, "-trace_msg", "-message_file", messages}
	if s.pass != "" {
		args = append(args, "-au", s.to, "-ap", s.pass)
	}
	if s.uri != "" {
		args = append(args, "-auth_uri", s.uri+"@"+h.sip.String())
	}
	cmd := exec.CommandContext(ctx, "sipp", args...)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "TERM=xterm")
	beside := make(chan string, 1)
	if s.second != nil {
		go func() { beside <- h.play(group, *s.second) }()
	} else {
		beside <- ""
	}
	done := make(chan error, 1)
	go func() { _, err := cmd.CombinedOutput(); done <- err }()
	other := ""
	if s.with != nil {
		if why, ok := s.with(h); !ok {
			other = why
		}
	}
	err = <-done
	trace, _ := os.ReadFile(messages)
	var why []string
	if err != nil {
		b, _ := os.ReadFile(faults)
		why = append(why, fmt.Sprintf("sipp: %v\n%s", err, b[:min(len(b), 3000)]))
	}
	if other != "" {
		why = append(why, "the other side: "+other)
	}
	if second := <-beside; second != "" {
		why = append(why, s.second.file+": "+second)
	}
	got := receivedBy(string(trace))
	for pattern, want := range s.received {
		n, re := 0, regexp.MustCompile(pattern)
		for _, m := range got {
			if re.MatchString(m) {
				n++
			}
		}
		if n < want[0] || n > want[1] {
			why = append(why, fmt.Sprintf("%d messages received with %q, want %d to %d", n, pattern, want[0], want[1]))
		}
	}
	if len(why) > 0 && len(trace) > 0 {
		why = append(why, "messages:\n"+string(trace[max(0, len(trace)-9000):]))
	}
	return strings.Join(why, "\n")
}

// receivedBy takes sipp's message log apart: what came in, one line each.
func receivedBy(trace string) []string {
	var out []string
	for part := range strings.SplitSeq(trace, "-----------------------------------------------") {
		_, msg, ok := strings.Cut(part, "message received")
		if !ok {
			continue
		}
		_, msg, _ = strings.Cut(msg, "\n")
		out = append(out, strings.Join(strings.FieldsFunc(msg, func(r rune) bool { return r == '\r' || r == '\n' }), " "))
	}
	return out
}

// library is a house whose timers are short and which bans nobody, with more
// resources.
func library(t *testing.T, more string) *house {
	t.Helper()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), "media: {", "media: {rtp_timeout: 0s, ", 1)) // sipp sends no sound
	h.write("centrala.yaml", strings.Replace(string(b), "  defence: {overload: 0s}\n", "  timers: {t1: 100ms, t2: 400ms, t4: 500ms}\n  defence: {overload: 0s, allow: [127.0.0.0/8]}\n", 1))
	r, err := os.ReadFile(filepath.Join(h.dir, "resources.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("resources.yaml", string(r)+more)
	h.start()
	return h
}

// answering is a phone that answers everything after it rang for a while, or
// never.
func (h *house) answering(name string, after time.Duration) {
	p := h.phone(name, "udp", robot.Any)
	go func() {
		for c := range p.rings {
			if after > 0 {
				time.AfterFunc(after, func() {
					if c.State() == robot.Ringing {
						c.Answer()
					}
				})
			}
		}
	}()
}

// of gives every file the same number to dial.
func of(to string, files ...string) []scenario {
	out := make([]scenario, 0, len(files))
	for _, f := range files {
		out = append(out, scenario{file: f, to: to})
	}
	return out
}

// lone is an address of its own on the loopback net, of a phone or a stranger.
func lone(n int) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 1, byte(n)}) }

// TestScenariosCaller: what callers do, and what they get.
func TestScenariosCaller(t *testing.T) {
	t.Parallel()
	h := library(t, `
---
kind: device
name: auto
spec: {username: auto, password: pw-auto, extension: "301"}
---
kind: device
name: slow
spec: {username: slow, password: pw-slow, extension: "302"}
---
kind: number
name: auto
spec: {digits: "3001", device: auto}
---
kind: number
name: slow
spec: {digits: "3002", device: slow}
`)
	h.answering("auto", 150*time.Millisecond)
	h.answering("slow", 0)
	list := slices.Concat(
		// A flow answers at once.
		of("9", "uac-answered-by-flow", "uac-late-offer", "uac-late-reoffer", "uac-hold-inactive", "uac-hold-sendonly",
			"uac-hold-zero-address", "uac-reinvite-right-behind-ack", "uac-reinvite-before-ack", "uac-retransmitted-invite",
			"uac-cancel-crosses-200", "uac-bye-with-reason", "uac-bye-twice", "uac-wrong-from-tag-481",
			"uac-compact-headers", "uac-unknown-headers", "uac-record-route", "uac-cseq-behind-500", "uac-options-in-dialog",
			"uac-info-other-body", "uac-unknown-method-in-dialog", "uac-codec-change", "uac-port-change", "uac-reinvite-no-codec-488", "uac-video-refused",
			"uac-video-first", "uac-many-codecs", "uac-sdp-without-rtpmap", "uac-update-in-dialog", "uac-update-without-sdp",
			"uac-session-timer-422", "uac-session-timer-refresher-uac", "uac-session-timer-refresher-uas", "uac-refer-without-refer-to-400", "uac-subscribe-in-call-489"),
		// No call comes of it.
		of("9", "uac-cancel-unknown-481", "uac-bye-unknown-dialog-481", "uac-reinvite-unknown-dialog-481", "uac-require-unknown-option-420",
			"uac-unknown-scheme-416", "uac-bad-version-505", "uac-unknown-method-501", "uac-publish-405", "uac-body-type-415", "uac-broken-sdp",
			"uac-refer-outside-dialog-403", "uac-replaces-unknown-481", "options-200", "options-max-forwards-zero", "options-require-unknown-420",
			"message-405", "notify-unasked-481", "prack-outside-dialog-481"),
		of("4711", "uac-unknown-number-404"),
		of("1000", "uac-info-key"),
		// A phone answers after it rang.
		of("3001", "uac-prack-180"),
		// A phone rings and rings.
		of("3002", "uac-merged-request-482", "uac-cancel-at-once", "uac-cancel-with-reason", "uac-bye-in-early-dialog", "uac-prack-wrong-481", "uac-update-before-answer"),
		[]scenario{
			{file: "uac-lost-ack", to: "9", received: map[string][2]int{`^SIP/2.0 200 .*CSeq: 1 INVITE`: {8, 24}}},
			{file: "uac-late-ack", to: "9", received: map[string][2]int{`^SIP/2.0 200 .*CSeq: 1 INVITE`: {3, 6}}},
			{file: "uac-prack-lost", to: "3002", received: map[string][2]int{`^SIP/2.0 180 .*RSeq:`: {3, 6}}},
			{file: "uac-stranger-refused", to: "9", from: lone(1)},
			{file: "uac-digest-invite", to: "anna", pass: "pw-anna", uri: "9", from: lone(2)},
			{file: "uac-digest-wrong-password", to: "anna", pass: "wrong", uri: "9", from: lone(3)},
			{file: "uac-digest-no-right-outside-403", to: "anna", pass: "pw-anna", uri: "0900123456", from: lone(4)},
			{file: "uac-answered-by-flow", to: "9", via: "t1"},
		},
	)
	h.scenarios(t, "caller", list)
}

// TestScenariosRegister: registrations and subscriptions; each with a device of
// its own.
func TestScenariosRegister(t *testing.T) {
	t.Parallel()
	files := []string{"register-md5", "register-expires-in-contact", "register-wrong-password", "register-unknown-user", "register-nonce-count", "register-foreign-nonce-401",
		"register-expires-0", "register-wildcard", "register-wildcard-expires-400", "register-wildcard-and-contact-400", "register-too-brief-423",
		"register-too-long", "register-two-contacts", "register-too-many-contacts-403", "register-query", "register-refresh", "register-old-cseq-500",
		"register-for-another", "register-path", "register-outbound", "register-outbound-replaced", "register-require-unknown-420", "register-contact-no-sip-416",
		"subscribe-mwi", "subscribe-dialog-state", "subscribe-unknown-event-489", "subscribe-stranger-refused", "register-unknown-parameters", "subscribe-reg"}
	var more strings.Builder
	var list []scenario
	for i, f := range files {
		s := scenario{file: f, to: fmt.Sprintf("r%d", i), pass: fmt.Sprintf("pw-r%d", i), from: lone(10 + i)}
		switch f {
		case "register-wrong-password":
			s.pass = "wrong"
		case "register-unknown-user":
			s.to = "nobody"
		case "register-outbound", "register-expires-0":
			s.via = "t1"
		case "subscribe-mwi", "subscribe-reg", "subscribe-unknown-event-489":
			s.uri = s.to
		case "subscribe-dialog-state":
			s.uri = "201"
		}
		fmt.Fprintf(&more, "---\nkind: device\nname: r%[1]d\nspec: {username: r%[1]d, password: pw-r%[1]d, extension: \"4%02[1]d\"}\n", i)
		list = append(list, s)
	}
	h := library(t, more.String())
	h.scenarios(t, "register", list)
}

// TestScenariosCalled: what called phones and carriers do; robots call them.
func TestScenariosCalled(t *testing.T) {
	t.Parallel()
	var list []scenario
	var more strings.Builder
	var anna, bob *phone
	// Phones at a fixed address.
	phone := func(file string, with func(c *robot.Call, h *house) string, received map[string][2]int) {
		n := len(list)
		s := scenario{file: file, from: houseIP, port: freePort(t), received: received, to: "x"}
		s.with = func(h *house) (string, bool) { return h.callWhile(anna, fmt.Sprintf("5%02d", n), with) }
		fmt.Fprintf(&more, "---\nkind: device\nname: u%[1]d\nspec: {username: u%[1]d, password: pw-u%[1]d, extension: \"5%02[1]d\", contact: \"sip:u%[1]d@127.0.0.1:%[2]d\"}\n", n, s.port)
		list = append(list, s)
	}
	refused := func(code int) func(c *robot.Call, h *house) string {
		return func(c *robot.Call, h *house) string {
			if err := c.WaitState(within(h.t, patience), robot.Ended); err != nil {
				return err.Error()
			}
			if by, got := c.Ended(); by != robot.ByRefusal || got != code {
				return fmt.Sprintf("the caller was told %s %d, want %d", by, got, code)
			}
			return ""
		}
	}
	// answered: the caller hears of the answer and hangs up after a while.
	answered := func(talk time.Duration) func(c *robot.Call, h *house) string {
		return func(c *robot.Call, h *house) string {
			if err := c.WaitState(within(h.t, patience), robot.Up); err != nil {
				return err.Error()
			}
			time.Sleep(talk)
			c.Hangup()
			return ""
		}
	}
	// byPeer: answered, and the called side ends it.
	byPeer := func(c *robot.Call, h *house) string {
		if err := c.WaitState(within(h.t, patience), robot.Up); err != nil {
			return err.Error()
		}
		if err := c.WaitState(within(h.t, patience), robot.Ended); err != nil {
			return err.Error()
		}
		if by, _ := c.Ended(); by != robot.ByPeer {
			return "ended by " + string(by)
		}
		return ""
	}
	// givesUp: the caller hangs up while it rings.
	givesUp := func(c *robot.Call, h *house) string {
		time.Sleep(700 * time.Millisecond)
		if c.State() >= robot.Up {
			return "it was " + c.State().String() + " before the caller gave up"
		}
		c.Hangup()
		return ""
	}
	phone("uas-agent-busy", refused(486), nil)
	phone("uas-agent-rejects", refused(603), nil)
	phone("uas-agent-not-there-480", refused(480), nil)
	phone("uas-agent-has-no-codec-488", refused(488), nil)
	phone("uas-agent-redirects-302", refused(480), map[string][2]int{`^INVITE`: {1, 1}})
	phone("uas-agent-redirects-302-to-extension", answered(300*time.Millisecond), map[string][2]int{`^INVITE`: {1, 1}})
	more.WriteString("---\nkind: device\nname: auto\nspec: {username: auto, password: pw-auto, extension: \"301\"}\n")
	phone("uas-silent", refused(408), map[string][2]int{`^INVITE`: {5, 9}})
	phone("uas-trying-only", givesUp, map[string][2]int{`^CANCEL`: {1, 1}})
	phone("uas-cancelled-while-ringing", givesUp, map[string][2]int{`^INVITE`: {1, 1}, `^CANCEL`: {1, 1}})
	phone("uas-answers-into-cancel", givesUp, map[string][2]int{`^BYE`: {1, 1}})
	phone("uas-answers-and-bye", byPeer, map[string][2]int{`^ACK`: {1, 1}})
	phone("uas-retransmitted-200", answered(700*time.Millisecond), map[string][2]int{`^ACK`: {3, 3}})
	phone("uas-forked-answers", answered(500*time.Millisecond), map[string][2]int{`^BYE`: {2, 2}, `^ACK`: {2, 2}})
	phone("uas-183-then-180-then-other-sdp", answered(300*time.Millisecond), nil)
	phone("uas-reliable-183", answered(300*time.Millisecond), map[string][2]int{`^PRACK`: {1, 1}})
	phone("uas-answer-without-sdp", refused(488), nil)
	phone("uas-answers-foreign-codec", refused(488), nil)
	phone("uas-port-zero-answer", refused(488), nil)
	phone("uas-agent-holds", byPeer, nil)
	phone("uas-reinvite-at-once", byPeer, nil)
	phone("uas-update-from-agent", byPeer, nil)
	phone("uas-record-route", answered(300*time.Millisecond), nil)
	phone("uas-session-timer-422", answered(300*time.Millisecond), map[string][2]int{`^INVITE`: {2, 2}})
	phone("uas-bye-unanswered", answered(200*time.Millisecond), map[string][2]int{`^BYE`: {3, 8}})
	phone("uas-options-in-call", byPeer, nil)
	// Carriers; only bob may call out.
	trunks := 0
	carrier := func(file, digits string, with func(c *robot.Call, h *house) string, received map[string][2]int, priority int) {
		trunks++
		s := scenario{file: file, from: carrierIP, port: freePort(t), received: received, to: "x"}
		if with != nil {
			s.with = func(h *house) (string, bool) { return h.callWhile(bob, digits, with) }
		}
		fmt.Fprintf(&more, "---\nkind: trunk\nname: t%[1]d\nspec: {target: \"sip:127.0.0.2:%[2]d\", prefixes: [\"%[3]s\"], priority: %[4]d, auth_user: house, auth_password: secret}\n", trunks, s.port, digits[:5], priority)
		list = append(list, s)
	}
	once := map[string][2]int{`^INVITE`: {1, 1}}
	carrier("uas-carrier-challenges-407", "0901123456", answered(300*time.Millisecond), map[string][2]int{`^INVITE`: {2, 2}}, 0)
	carrier("uas-carrier-challenges-407-then-401", "0907123456", answered(300*time.Millisecond), map[string][2]int{`^INVITE`: {3, 3}}, 0)
	carrier("uas-carrier-keeps-refusing-407", "0902123456", refused(403), map[string][2]int{`^INVITE`: {2, 2}}, 0)
	// Two carriers for the same numbers, the better one first.
	pair := func(file, digits, second string, with func(c *robot.Call, h *house) string) {
		carrier(file, digits, with, once, 2)
		seen := once
		if second == "uas-carrier-hears-nothing" {
			seen = map[string][2]int{`^INVITE`: {0, 0}}
		}
		carrier(second, digits, nil, seen, 1)
		last := list[len(list)-1]
		list = list[:len(list)-1]
		list[len(list)-1].second = &last
	}
	pair("uas-500-then-next-trunk", "0903123456", "uas-second-carrier", answered(300*time.Millisecond))
	pair("uas-503-then-next-trunk", "0904123456", "uas-second-carrier", answered(300*time.Millisecond))
	pair("uas-603-no-next-trunk", "0905123456", "uas-carrier-hears-nothing", refused(603))
	pair("uas-rings-then-503-no-next-trunk", "0906123456", "uas-carrier-hears-nothing", refused(500))
	anna, bob = nil, nil
	h := library(t, more.String())
	h.answering("auto", 150*time.Millisecond)
	anna, bob = h.phone("anna", "udp", robot.Any), h.phone("bob", "udp", robot.Any)
	h.scenarios(t, "called", list)
}

// callWhile dials until sipp, which starts beside it, is there, and hands the
// call over.
func (h *house) callWhile(p *phone, to string, with func(*robot.Call, *house) string) (string, bool) {
	time.Sleep(400 * time.Millisecond) // sipp tells nobody when it listens; INVITE again covers the rest
	c, err := p.Invite(robot.Options{To: to, From: p.account})
	if err != nil {
		return err.Error(), false
	}
	why := with(c, h)
	return why, why == ""
}

// TestScenariosSlow: what waits for a session's refresh, half of the shortest
// interval there is (90 s, RFC 4028 4).
func TestScenariosSlow(t *testing.T) {
	t.Parallel()
	h := library(t, "")
	// Two INVITEs of ours, either of them again when sipp is slow: the file's order
	// tells a third from one that came again.
	h.scenarios(t, "slow", []scenario{{file: "uac-glare-491", to: "9", timeout: "60", received: map[string][2]int{`^INVITE`: {2, 6}, `^SIP/2.0 491`: {1, 1}}}})
}
