package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/centrala/centrala/pkg/config/strict"
)

// ICEServer is a STUN or TURN server that browsers use.
type ICEServer struct {
	URLs           []string `yaml:"urls" doc:"Such as stun:stun.example.com, turn:turn.example.com:3478?transport=udp or turns:turn.example.com:443?transport=tcp."`
	Username       string   `yaml:"username" default:"" doc:"Of TURN, when it has one for all, with credential_env or credential_file."`
	CredentialEnv  string   `yaml:"credential_env" default:"" doc:"Environment variable that holds the password of username."`
	CredentialFile string   `yaml:"credential_file" default:"" doc:"File that holds it, relative to the node file."`
	SecretEnv      string   `yaml:"secret_env" default:"" doc:"Environment variable that holds the secret shared with TURN (coturn: static-auth-secret): every page gets a user name and password of its own, good for ttl (draft-uberti-behave-turn-rest)."`
	SecretFile     string   `yaml:"secret_file" default:"" doc:"File that holds it, relative to the node file."`
	TTL            Duration `yaml:"ttl" default:"12h" min:"1m" max:"168h" doc:"How long what was made of the secret is good; a call that lasts longer loses its relay."`
}

// maxICEServers bounds what every page is told and asks.
const maxICEServers = 8

func (c *Config) checkICE(fault, warn told) {
	list := c.Media.WebRTC.ICEServers
	if len(list) > maxICEServers {
		fault("media.webrtc.ice_servers", "%d; want at most %d", len(list), maxICEServers)
	}
	if len(list) > 0 && c.Media.WebRTC.Listen == "" {
		warn("media.webrtc.ice_servers", "media.webrtc.listen is empty, so nobody uses them")
	}
	for i, s := range list {
		path := fmt.Sprintf("media.webrtc.ice_servers[%d]", i)
		if len(s.URLs) == 0 || len(s.URLs) > maxICEServers {
			fault(path+".urls", "%d; want 1 to %d", len(s.URLs), maxICEServers)
		}
		turn := false
		for n, u := range s.URLs {
			if bad := badICEURL(u); bad != "" {
				fault(fmt.Sprintf("%s.urls[%d]", path, n), "%s; %s", strict.Quote(u), bad)
			}
			turn = turn || strings.HasPrefix(u, "turn")
		}
		static := s.Username != "" || s.CredentialEnv != "" || s.CredentialFile != ""
		shared := s.SecretEnv != "" || s.SecretFile != ""
		switch {
		case static && shared:
			fault(path, "username and credential, or the secret; want one of them")
		case s.CredentialEnv != "" && s.CredentialFile != "":
			fault(path+".credential_env", "set beside credential_file; want one of them")
		case s.SecretEnv != "" && s.SecretFile != "":
			fault(path+".secret_env", "set beside secret_file; want one of them")
		case static && (s.Username == "" || s.CredentialEnv == "" && s.CredentialFile == ""):
			fault(path, "username and credential belong together")
		case turn && !static && !shared:
			fault(path, "turn wants a username and credential, or the secret")
		case !turn && (static || shared):
			fault(path, "stun has neither user name nor secret")
		}
	}
}

// badICEURL checks the grammar of RFC 7064 3.1 and RFC 7065 3.1.
func badICEURL(s string) string {
	const want = "want stun:HOST, stuns:HOST, turn:HOST[:PORT][?transport=udp|tcp] or turns:"
	scheme, rest, ok := strings.Cut(s, ":")
	switch {
	case !ok, scheme != "stun" && scheme != "stuns" && scheme != "turn" && scheme != "turns":
		return want
	}
	host, query, asks := strings.Cut(rest, "?")
	if asks && (scheme == "stun" || scheme == "stuns" || query != "transport=udp" && query != "transport=tcp") {
		return want
	}
	if h, p, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return "the port is none"
		}
		host = h
	} else if strings.Count(host, ":") == 1 {
		return want
	}
	host = strings.Trim(host, "[]")
	if host == "" || strings.ContainsAny(host, "/@# ") {
		return want
	}
	return ""
}
