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
)

// TestConsoleDemo is the two minutes of a newcomer, in real browsers against the demo's
// own resources: the page, a caller with a microphone, the menu, an operator who
// answers by the keyboard, hold, wrap-up, the wall, and the recording played; each hears
// the other's tone, and axe looks at every page. ui/e2e/run.mjs drives it.
func TestConsoleDemo(t *testing.T) {
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
	cmd := exec.Command(node, "e2e/run.mjs", "http://"+web, filepath.Join(t.TempDir(), "shots"))
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "CHROMIUM="+program)
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(4*time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
