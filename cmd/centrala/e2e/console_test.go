//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// TestConsoleDemo is the two minutes of a newcomer, in real browsers against the demo's
// own resources: the page, a caller with a microphone, the menu, an operator who
// answers by the keyboard, hold, wrap-up, the wall, and the recording played; each hears
// the other's tone, and axe looks at every page. ui/e2e/run.mjs drives it.
func TestConsoleDemo(t *testing.T) { consoleScript(t, "run.mjs", nil) }

// TestConsoleAdmin is the work of an administrator in a real browser: a user with a
// one-time link and a second factor, a queue with a fault on the way, a change that
// somebody else was faster with, undo, import and export, a flow that is drawn, mended,
// rehearsed, published and rolled back, keys and the audit log; axe looks at every page,
// and no word is missing in three languages. ui/e2e/admin.mjs drives it.
func TestConsoleAdmin(t *testing.T) { consoleScript(t, "admin.mjs", nil) }

// TestConsoleResume is a call that outlives the page: the operator's is loaded anew in
// talk and on hold, loses its server, moves to a second tab, and is killed at last, when
// the caller gets to another operator. ui/e2e/resume.mjs drives it; the recording must
// hold both from beginning to end, whoever spoke.
func TestConsoleResume(t *testing.T) {
	h := consoleScript(t, "resume.mjs", func(house string) string {
		return strings.Replace(house, "  language: en #", "  resume_within: 8s\n  language: en #", 1)
	})
	// One file: the caller's tone on the left all along, and on the right the first
	// operator's at the beginning and the other's at the end.
	w := h.recording()
	left, right := w.Channels[0], w.Channels[1]
	end := len(right) - len(right)/16
	for what, ok := range map[string]bool{
		"the caller at the beginning": onceIn(left[:len(left)/4], 440),
		"the caller at the end":       onceIn(left[3*len(left)/4:], 440),
		"the first operator":          onceIn(right[:len(right)/2], 1530),
		"the other operator":          onceIn(right[len(right)/2:end], 2450),
	} {
		if !ok {
			t.Errorf("not in the recording: %s", what)
		}
	}
}

// TestConsoleDesk is an operator's work with a call: a headset's buttons, the queue's
// script, consultation, conference and handing over, a disposition without which the
// wrap-up does not end, and a promise to call back. ui/e2e/desk.mjs drives it.
func TestConsoleDesk(t *testing.T) {
	consoleScript(t, "desk.mjs", func(doc string) string { return strings.Replace(doc, "required: false", "required: true", 1) })
}

// onceIn finds a tone in any fifth of a second.
func onceIn(pcm []int16, hz float64) bool {
	for ; len(pcm) >= 1600; pcm = pcm[1600:] {
		if robot.Hears(pcm[:1600], hz) {
			return true
		}
	}
	return false
}

// consoleScript runs a script of ui/e2e with real browsers against the demo's own
// resources, the document of the house changed by change.
func consoleScript(t *testing.T, script string, change func(house string) string) *house {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js on this machine")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium on this machine (apt-get install chromium)")
	}
	ui, err := filepath.Abs("../../../pkg/console/ui")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(ui, "node_modules", "playwright-core")); err != nil {
		t.Skip("the console's tools are not installed (make ui)")
	}
	h := prepare(t)
	demo, err := filepath.Abs("../../../configs/demo/resources")
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		from := demo
		demo = filepath.Join(h.dir, "resources")
		if err := os.CopyFS(demo, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(demo, "house.yaml"))
		if err == nil {
			err = os.WriteFile(filepath.Join(demo, "house.yaml"), []byte(change(string(b))), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	lo, release := claim(t, &nextRange, 10000, 400, 50)
	t.Cleanup(release)
	web := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	h.write("centrala.yaml", fmt.Sprintf(`
node: {name: demo}
sip:
  listeners: [{transport: udp, address: "%s"}]
media: {bind: 0.0.0.0, port_min: %d, port_max: %d, webrtc: {listen: "0.0.0.0:%d"}}
http: {listen: "%s"}
web: {listen: "%s", demo: true}
log: {level: info, format: json}
drain: {timeout: 2s}
resources: ["%s"]
`, h.sip, lo, lo+398, lo+399, h.http, web, demo))
	h.start()
	if r, err := http.Get("http://" + web + "/"); err != nil {
		t.Fatal(err)
	} else if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "was not built") {
		t.Skip("the console was not built into this binary (make ui build)")
	}
	cmd := exec.Command(node, "e2e/"+script, "http://"+web, filepath.Join(t.TempDir(), "shots"))
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "CHROMIUM="+program)
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(8*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return h
}
