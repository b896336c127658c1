package app

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/config"
)

// iceServer is one that pages are told of, with its secrets read.
type iceServer struct {
	urls                 []string
	username, credential string // for all
	secret               string // or made for each page, good for ttl
	ttl                  time.Duration
}

// iceServers reads the secrets of the node file's servers, once at the start.
func iceServers(c *config.Config) (out []iceServer, err error) {
	read := func(env, file string) (string, error) {
		v := ""
		switch {
		case env != "":
			v = os.Getenv(env)
		case file != "":
			b, err := os.ReadFile(c.Beside(file))
			if err != nil {
				return "", err
			}
			v = strings.TrimSpace(string(b))
		default:
			return "", nil
		}
		if v == "" {
			return "", fmt.Errorf("%s%s is empty", env, file)
		}
		return v, nil
	}
	for i, s := range c.Media.WebRTC.ICEServers {
		x := iceServer{urls: s.URLs, username: s.Username, ttl: s.TTL.D()}
		if x.credential, err = read(s.CredentialEnv, s.CredentialFile); err == nil {
			x.secret, err = read(s.SecretEnv, s.SecretFile)
		}
		if err != nil {
			return nil, fmt.Errorf("media.webrtc.ice_servers[%d]: %w", i, err)
		}
		out = append(out, x)
	}
	return out, nil
}

// toldTo is what a page is told, in which it is named user. Its name and password for
// TURN are of the long-term mechanism, made of the time until which they are good
// (draft-uberti-behave-turn-rest-00 2.2): TURN needs to know no page.
func (s *iceServer) toldTo(user string, now time.Time) api.ICEServer {
	out := api.ICEServer{URLs: s.urls, Username: s.username, Credential: s.credential}
	if s.secret != "" {
		out.Username = strconv.FormatInt(now.Add(s.ttl).Unix(), 10) + ":" + user
		h := hmac.New(sha1.New, []byte(s.secret))
		h.Write([]byte(out.Username))
		out.Credential = base64.StdEncoding.EncodeToString(h.Sum(nil))
	}
	return out
}
