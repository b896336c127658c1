//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConfigsAreWithoutFault checks every example as an operator would.
func TestConfigsAreWithoutFault(t *testing.T) {
	for _, args := range [][]string{
		{"check", "--config", "../../../configs/demo/centrala.yaml"},
		{"check", "--config", "../../../configs/bench/centrala.yaml"},
		{"check", "--config", "../../../configs/production/centrala.yaml"},
		{"check", "--config", "../../../configs/production/centrala.yaml", "../../../configs/production/resources.example.yaml"},
	} {
		if out, err := exec.Command(binary, args...).CombinedOutput(); err != nil {
			t.Errorf("centrala %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestTenFaultsTenLines: a config tells all its faults at once.
func TestTenFaultsTenLines(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "centrala.yaml")
	text := `
node: {name: "two words"}
sip:
  listeners: [{transport: carrier-pigeon, address: "nowhere"}]
  timers: {t1: 3h}
media: {port_min: 20001, workers: -1}
log: {level: loud}
limits: {max_calls: many}
drain: {timeout: soon}
colour: blue
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "check", "--config", name).CombinedOutput()
	if err == nil {
		t.Fatalf("accepted:\n%s", out)
	}
	for _, path := range []string{"node.name", "transport", "address", "t1", "port_min", "workers", "log.level", "max_calls", "drain.timeout", "colour"} {
		if !strings.Contains(string(out), path) {
			t.Errorf("not told: %s\n%s", path, out)
		}
	}
}

// TestSelftestOnDemo runs the product's own selftest against the demonstration,
// as `make run` tells its user to.
func TestSelftestOnDemo(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	demo, err := filepath.Abs("../../../configs/demo/resources")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("centrala.yaml", strings.Replace(string(b), "resources: [resources.yaml]", fmt.Sprintf("resources: [%q]", demo), 1))
	h.start()
	out, err := h.run("selftest")
	t.Log("\n" + out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, "FAIL") || !strings.Contains(out, "All is well") {
		t.Error("it says it failed but ends with 0")
	}
	h.quiet()
}
