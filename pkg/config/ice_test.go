package config

import (
	"strings"
	"testing"
)

func TestICEServers(t *testing.T) {
	for text, want := range map[string]string{
		`{urls: ["stun:stun.example.com", "stuns:[2001:db8::1]:5349"]}`:                                                          "",
		`{urls: ["turn:t.example.com:3478?transport=udp", "turns:t.example.com?transport=tcp"], username: u, credential_env: X}`: "",
		`{urls: ["turn:t.example.com"], secret_file: turn.secret, ttl: 1h}`:                                                      "",
		`{urls: []}`:                                                             "urls",
		`{urls: ["http://t.example.com"]}`:                                       "urls[0]",
		`{urls: ["stun:a?transport=udp"]}`:                                       "urls[0]",
		`{urls: ["turn:a?transport=sctp"], secret_env: X}`:                       "urls[0]",
		`{urls: ["turn:a:99999"], secret_env: X}`:                                "urls[0]",
		`{urls: ["turn:u@a"], secret_env: X}`:                                    "urls[0]",
		`{urls: ["turn:"], secret_env: X}`:                                       "urls[0]",
		`{urls: ["turn:a"]}`:                                                     "turn wants",
		`{urls: ["stun:a"], secret_env: X}`:                                      "stun has neither",
		`{urls: ["turn:a"], username: u}`:                                        "belong together",
		`{urls: ["turn:a"], username: u, credential_env: X, secret_env: Y}`:      "one of them",
		`{urls: ["turn:a"], secret_env: X, secret_file: y}`:                      "secret_env",
		`{urls: ["turn:a"], username: u, credential_env: X, credential_file: y}`: "credential_env",
		`{urls: ["turn:a"], secret_env: X, ttl: 5s}`:                             "ttl",
	} {
		_, err := Parse([]byte("media: {webrtc: {listen: \"0.0.0.0:31000\", ice_servers: ["+text+"]}}"), "/etc/node.yaml", nil)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
