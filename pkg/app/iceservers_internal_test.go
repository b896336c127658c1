package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/config"
)

// The name holds the time, the password is that of coturn's use-auth-secret: the
// vector was made by openssl: printf 1762560000:web-abc | openssl dgst -sha1 -hmac
// north -binary | base64.
func TestTimeLimitedTURN(t *testing.T) {
	s := iceServer{urls: []string{"turn:turn.example.com"}, secret: "north", ttl: time.Hour}
	got := s.toldTo("web-abc", time.Unix(1762560000-3600, 5))
	if got.Username != "1762560000:web-abc" || got.Credential != "i2oX03UPiXpQYIK4e2wFHAF4G8A=" || len(got.URLs) != 1 {
		t.Errorf("%+v", got)
	}
	fixed := iceServer{username: "anna", credential: "x"}
	if got := fixed.toldTo("web-abc", time.Now()); got.Username != "anna" || got.Credential != "x" {
		t.Errorf("%+v", got)
	}
}

func TestSecretsOfICEServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("north\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TURN_PASSWORD", "pw")
	var c config.Config
	c.Media.WebRTC.ICEServers = []config.ICEServer{
		{URLs: []string{"stun:a"}},
		{URLs: []string{"turn:a"}, Username: "u", CredentialEnv: "TURN_PASSWORD"},
		{URLs: []string{"turn:a"}, SecretFile: file, TTL: config.Duration(time.Hour)},
	}
	got, err := iceServers(&c)
	if err != nil || len(got) != 3 || got[0].secret+got[0].credential != "" || got[1].credential != "pw" || got[2].secret != "north" || got[2].ttl != time.Hour {
		t.Fatalf("%+v %v", got, err)
	}
	for _, s := range []config.ICEServer{{SecretEnv: "TURN_NOBODY"}, {SecretFile: file + "x"}} {
		c.Media.WebRTC.ICEServers[2] = s
		if _, err := iceServers(&c); err == nil || !strings.Contains(err.Error(), "ice_servers[2]") {
			t.Errorf("%v", err)
		}
	}
}
