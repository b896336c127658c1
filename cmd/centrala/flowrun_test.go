package main

import (
	"bytes"
	"strings"
	"testing"
)

// A flow of the demo is played with keys typed and Enter for silence; what is heard is
// shown as text.
func TestFlowRun(t *testing.T) {
	var out bytes.Buffer
	c := &cli{out: &out, errOut: &out}
	k := flowRunCmd{Flow: "main", Documents: []string{"../../configs/demo/resources"}, Caller: "201", Dialled: "100", Language: "en", At: "2026-11-23 10:00",
		in: strings.NewReader("\n\n1\nwhat\n1\n\nempty\nq\n")}
	k.Tenant = "default"
	if err := k.Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{"Welcome to Centrala", "For sales, press one.", "queue   sales", "hung up:"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}
