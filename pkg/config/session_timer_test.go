package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSessionTimer(t *testing.T) {
	load := func(text string) (*Config, error) {
		path := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(path, []byte("sip:\n  session_timer: {"+text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path, nil)
	}
	for text, want := range map[string]time.Duration{"": 30 * time.Minute, "expires: 0s": 0, "expires: 90s": 90 * time.Second, "expires: 2h, min_se: 2h": 2 * time.Hour} {
		c, err := load(text)
		if err != nil || c.SIP.SessionTimer.Expires.D() != want {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
	for text, want := range map[string]string{"expires: 89s": "sip.session_timer.expires", "expires: 5m, min_se: 10m": "sip.session_timer.expires",
		"min_se: 60s": "sip.session_timer.min_se", "expires: 25h": "sip.session_timer.expires"} {
		if _, err := load(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
