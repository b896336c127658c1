package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/centrala/centrala/pkg/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// command runs the command line in this process.
func command(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = run(args, &o, &e)
	return code, o.String(), e.String()
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	nobody := filepath.Join(dir, "nobody")
	bad := write(t, dir, "bad.yaml", "kind: nothing\nname: x\n")
	good := write(t, dir, "good.yaml", "kind: device\nname: a\nspec: {password: secret-of-a}\n")
	for _, row := range []struct {
		args []string
		want int
		say  string // on either stream
	}{
		{[]string{"version"}, exitOK, "centrala "},
		{[]string{"--help"}, exitOK, "serve"},
		{[]string{"apply", "--help"}, exitOK, "Examples"},
		{[]string{}, exitUsage, ""},
		{[]string{"dance"}, exitUsage, "dance"},
		{[]string{"call", "show"}, exitUsage, "id"},
		{[]string{"agent", "set", "bob", "asleep"}, exitUsage, "ready"},
		{[]string{"serve", "--config", filepath.Join(dir, "absent.yaml")}, exitUsage, "absent.yaml"},
		{[]string{"check"}, exitUsage, "--config"},
		{[]string{"check", bad}, exitFailed, "nothing"},
		{[]string{"check", good}, exitOK, "no faults in 1 document\n"},
		{[]string{"check", filepath.Join(dir, "absent.yaml")}, exitFailed, "absent.yaml"},
		{[]string{"apply", "--data", nobody, bad}, exitFailed, "bad.yaml:1"},
		{[]string{"apply", "--data", nobody, good}, exitNoServer, "not running"},
		{[]string{"status", "--data", nobody}, exitNoServer, "not running"},
		{[]string{"call", "list", "--data", nobody}, exitNoServer, "not running"},
		{[]string{"selftest", "--data", nobody}, exitNoServer, "not running"},
	} {
		code, out, errOut := command(row.args...)
		if code != row.want || !strings.Contains(out+errOut, row.say) {
			t.Errorf("centrala %s: exit %d, want %d, and %q in\n%s%s", strings.Join(row.args, " "), code, row.want, row.say, out, errOut)
		}
	}
}

// Ten faults, ten lines: in the order of the file, each with its place.
func TestCheckTellsAllFaultsOfANodeFile(t *testing.T) {
	file := write(t, t.TempDir(), "centrala.yaml", `node: {name: "two words"}
sip:
  listeners: [{transport: carrier-pigeon, address: "nowhere"}]
  timers: {t1: fast}
media: {port_min: 20001, workers: -1}
log: {level: loud}
limits: {max_calls: many}
drain: {timeout: soon}
colour: blue
`)
	code, out, errOut := command("check", "--config", file)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != exitFailed || len(lines) != 10 || errOut != "10 faults\n" {
		t.Fatalf("exit %d, %d lines:\n%s%s", code, len(lines), out, errOut)
	}
	place := regexp.MustCompile(`^` + regexp.QuoteMeta(file) + `:(\d+):\d+: `)
	for i, line := range lines {
		if !place.MatchString(line) {
			t.Errorf("line %d has no place: %s", i+1, line)
		}
	}
}

// Faults of the node file hide none of the resources that it names.
func TestCheckGoesOnToTheResources(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.yaml", "kind: number\nname: n\nspec: {digits: \"1\", flow: nowhere}\n")
	code, out, errOut := command("check", "--config", write(t, dir, "centrala.yaml", "log: {level: loud}\nresources: [r.yaml]\n"))
	if code != exitFailed || errOut != "2 faults\n" || !strings.Contains(out, "loud") || !strings.Contains(out, "nowhere") {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
}

func TestCheckTellsAllFaultsOfDocuments(t *testing.T) {
	dir := t.TempDir()
	var docs strings.Builder
	for i := range 10 {
		fmt.Fprintf(&docs, "kind: number\nname: n%d\nspec: {digits: \"%d\", flow: nowhere%d}\n---\n", i, 100+i, i)
	}
	code, out, _ := command("check", write(t, dir, "numbers.yaml", docs.String()))
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != exitFailed || len(lines) != 10 {
		t.Errorf("exit %d, %d lines:\n%s", code, len(lines), out)
	}
	a := write(t, dir, "a.yaml", "kind: device\nname: a\nspec: {password: secret-of-a}\n")
	b := write(t, dir, "b.yaml", "kind: device\nname: a\nspec: {password: secret-of-b}\n")
	if code, out, _ := command("check", a, b); code != exitFailed || !strings.Contains(out, "twice") {
		t.Errorf("one name in two files: exit %d\n%s", code, out)
	}
}

func TestCheckShowsWarnings(t *testing.T) {
	file := write(t, t.TempDir(), "centrala.yaml", "http: {listen: \"0.0.0.0:9090\", pprof: true}\n")
	code, out, _ := command("check", "--config", file)
	if code != exitOK || !strings.Contains(out, "warning: ") || !strings.Contains(out, "pprof") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

func TestExamplesAreWithoutFault(t *testing.T) {
	for _, name := range []string{"demo", "bench", "production"} {
		args := []string{"check", "--config", "../../configs/" + name + "/centrala.yaml"}
		if name == "production" {
			args = append(args, "../../configs/production/resources.example.yaml")
		}
		if code, out, errOut := command(args...); code != exitOK {
			t.Errorf("%s: exit %d\n%s%s", name, code, out, errOut)
		}
	}
}

// The hint that make run prints names what the demonstration really has.
func TestHintIsTrue(t *testing.T) {
	hint, err := os.ReadFile("../../configs/demo/hint.txt")
	if err != nil {
		t.Fatal(err)
	}
	var house strings.Builder
	files, _ := filepath.Glob("../../configs/demo/resources/*.yaml")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		house.Write(b)
	}
	for _, m := range regexp.MustCompile(`demo-\w+`).FindAllString(string(hint), -1) {
		if !strings.Contains(house.String(), "password: "+m) {
			t.Errorf("no device has the password %s", m)
		}
	}
	for _, m := range regexp.MustCompile(`\b(100\d|[12]0\d)\b`).FindAllString(string(hint), -1) {
		if !strings.Contains(house.String(), `"`+m+`"`) {
			t.Errorf("nothing answers to %s", m)
		}
	}
	for _, m := range regexp.MustCompile(`\*44\*(\d) (\w+)`).FindAllStringSubmatch(string(hint), -1) {
		if !strings.Contains(house.String(), fmt.Sprintf("%q: %s", m[1], m[2])) {
			t.Errorf("%s is not %s", m[1], m[2])
		}
	}
	var b bytes.Buffer
	serveCmd{Hint: "../../configs/demo/hint.txt"}.printHint(&b)
	if strings.Contains(b.String(), "{address}") || !strings.Contains(b.String(), "demo-alice") {
		t.Errorf("printed:\n%s", b.String())
	}
}

// serve runs the server in this process until the test's end, which sends it
// TERM as systemd does, and returns its data folder.
func serve(t *testing.T, resources string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "resources.yaml", resources)
	first := 12000 + os.Getpid()%60*300
	node := write(t, dir, "centrala.yaml", fmt.Sprintf(`
sip: {listeners: [{transport: udp, address: "127.0.0.1:0"}]}
media: {bind: 127.0.0.1, port_min: %d, port_max: %d}
http: {listen: ""}
log: {level: error, format: json}
drain: {timeout: 0s}
resources: [resources.yaml]
`, first, first+299))
	data := filepath.Join(dir, "data")
	var out, errOut bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run([]string{"serve", "--config", node, "--data", data}, &out, &errOut) }()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if code, _, _ := command("status", "--data", data); code == exitOK {
			break
		}
		select {
		case code := <-ended:
			t.Fatalf("serve: exit %d\n%s%s", code, out.String(), errOut.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatal("serve is not up within 5 s")
		}
	}
	t.Cleanup(func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		select {
		case code := <-ended:
			if code != exitOK {
				t.Errorf("serve: exit %d\n%s", code, errOut.String())
			}
		case <-time.After(10 * time.Second):
			t.Error("serve has not ended 10 s after TERM")
		}
	})
	return data
}

const smallHouse = `
kind: device
name: bob
spec: {password: secret-of-bob}
---
kind: user
name: bob
spec: {roles: [agent], device: bob}
---
kind: queue
name: sales
spec: {members: [{agent: bob}]}
---
kind: number
name: sales
spec: {digits: "1001", queue: sales}
`

func TestCommandsOnARunningServer(t *testing.T) {
	data := serve(t, smallHouse)
	dir := t.TempDir()
	on := func(args ...string) (int, string, string) { return command(append(args, "--data", data)...) }

	for _, row := range []struct {
		args []string
		want int
		say  string
	}{
		{[]string{"status"}, exitOK, "revision 1"},
		{[]string{"agent", "list"}, exitOK, "offline"},
		{[]string{"agent", "set", "bob", "not_ready", "--reason", "lunch"}, exitFailed, "logged in"},
		{[]string{"agent", "set", "bob", "ready"}, exitOK, ""},
		{[]string{"agent", "set", "bob", "not_ready", "--reason", "lunch"}, exitOK, ""},
		{[]string{"agent", "list"}, exitOK, "not_ready (lunch)"},
		{[]string{"agent", "set", "ghost", "ready"}, exitFailed, "ghost"},
		{[]string{"queue", "list"}, exitOK, "sales"},
		{[]string{"user", "list"}, exitOK, "bob"},
		{[]string{"call", "list"}, exitOK, "STARTED"},
		{[]string{"call", "show", "nothing"}, exitFailed, "not found"},
		{[]string{"call", "hangup", "nothing"}, exitFailed, "not found"},
		{[]string{"call", "list", "--limit", "501"}, exitFailed, "1 to 500"},
		{[]string{"recording", "path", "nothing"}, exitFailed, "not found"},
		{[]string{"agent", "list", "--tenant", "nobody"}, exitFailed, "nobody"},
		{[]string{"reload"}, exitOK, "applied: -"},
	} {
		code, out, errOut := on(row.args...)
		if code != row.want || !strings.Contains(out+errOut, row.say) {
			t.Errorf("centrala %s: exit %d, want %d, and %q in\n%s%s", strings.Join(row.args, " "), code, row.want, row.say, out, errOut)
		}
	}

	// --json on standard output is JSON and nothing else.
	for _, args := range [][]string{{"status"}, {"call", "list"}, {"agent", "list"}, {"queue", "list"}, {"user", "list"}, {"recording", "list"}, {"reload"}} {
		code, out, errOut := on(append(args, "--json")...)
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil || code != exitOK || errOut != "" || v == nil {
			t.Errorf("%s --json: exit %d, %v\n%s%s", strings.Join(args, " "), code, err, out, errOut)
		}
	}

	// export, apply and diff agree.
	code, exported, _ := on("export")
	if code != exitOK || !strings.Contains(exported, "kind: queue") || strings.Contains(exported, "secret-of-bob") {
		t.Fatalf("export: exit %d\n%s", code, exported)
	}
	all := write(t, dir, "all.yaml", exported)
	if code, out, _ := on("diff", "--prune", all); code != exitOK || out != "no changes\n" {
		t.Errorf("diff of an export: exit %d\n%s", code, out)
	}
	more := write(t, dir, "more.yaml", "kind: number\nname: more\nspec: {digits: \"1002\", queue: sales}\n")
	if code, out, _ := on("apply", "--dry-run", more); code != exitOK || strings.Contains(out, "applied") || !strings.Contains(out, "more") {
		t.Errorf("dry run: exit %d\n%s", code, out)
	}
	if code, out, _ := on("apply", more); code != exitOK || !strings.Contains(out, "applied: revision 2, 1 change\n") {
		t.Errorf("apply: exit %d\n%s", code, out)
	}
	if code, out, _ := on("diff", more); code != exitOK || out != "no changes\n" {
		t.Errorf("diff after the apply: exit %d\n%s", code, out)
	}
	if code, out, _ := on("diff", "--prune", all); code != exitOK || !strings.Contains(out, "more") {
		t.Errorf("diff --prune: exit %d\n%s", code, out)
	}
	bad := write(t, dir, "bad.yaml", "kind: number\nname: bad\nspec: {digits: \"7\", queue: nowhere}\n---\nkind: number\nname: worse\nspec: {digits: \"8\", flow: nowhere}\n")
	if code, out, _ := on("apply", bad); code != exitFailed || strings.Count(out, "fault: ") != 2 || !strings.Contains(out, "nothing changed") {
		t.Errorf("apply of faults: exit %d\n%s", code, out)
	}
	code, out, _ := on("apply", "--json", bad)
	var res struct {
		Applied bool
		Faults  []struct{ Message string }
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || code != exitFailed || res.Applied || len(res.Faults) != 2 {
		t.Errorf("apply --json of faults: exit %d, %v\n%s", code, err, out)
	}
	if code, _, errOut := command("serve", "--data", data, "--config", filepath.Join(filepath.Dir(data), "centrala.yaml")); code != exitFailed || !strings.Contains(errOut, data) {
		t.Errorf("a second server on the folder: exit %d, %s", code, errOut)
	}
}

// drain by command ends the process as TERM does; serve's own cleanup then
// finds it gone.
func TestDrainCommandEndsTheServer(t *testing.T) {
	dir := t.TempDir()
	first := 12000 + os.Getpid()%60*300
	node := write(t, dir, "centrala.yaml", fmt.Sprintf("sip: {listeners: [{transport: udp, address: \"127.0.0.1:0\"}]}\nmedia: {bind: 127.0.0.1, port_min: %d, port_max: %d}\nhttp: {listen: \"\"}\nlog: {level: error}\n", first, first+299))
	ended := make(chan int, 1)
	go func() {
		code, _, _ := command("serve", "--config", node, "--data", dir)
		ended <- code
	}()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if code, _, _ := command("drain", "--data", dir); code == exitOK {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no drain within 5 s")
		}
	}
	select {
	case code := <-ended:
		if code != exitOK {
			t.Errorf("exit %d", code)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("serve runs on")
	}
}

func TestWhyInSentences(t *testing.T) {
	for _, row := range []struct {
		body event.Body
		want string
	}{
		{event.Decision{Queue: "sales", Agent: "bob", Strategy: "longest_idle", WaitMs: 1500, Considered: []event.Candidate{{Agent: "bob", IdleMs: 9000}, {Agent: "carol", IdleMs: 10}}, Excluded: map[string]int{"not_ready": 2, "offline": 1}},
			"after 1.5s in sales bob was chosen by longest idle (idle 9.0s), before carol (idle 0.0s); left out: 2 not ready and 1 logged out"},
		{event.Decision{Queue: "sales", WaitMs: 20, Excluded: map[string]int{"offline": 3}}, "after 0.0s nobody in sales could be offered; the caller is number 0; left out: 3 logged out"},
		{event.OfferEnded{Agent: "bob", Outcome: "no_answer", RingMs: 15000}, "bob did not take it: no_answer after 15.0s"},
	} {
		r, err := event.Encode(event.Event{At: time.Unix(0, 0), Tenant: "default", CallID: "c", Body: row.body})
		if err != nil {
			t.Fatal(err)
		}
		if got := why([]event.Record{r}); len(got) != 1 || got[0] != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
