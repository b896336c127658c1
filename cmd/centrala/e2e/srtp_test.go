//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/load/browser"
	"github.com/centrala/centrala/pkg/load/robot"
)

// protection waits for the caller's call to end and tells how each device's sound
// was protected, "" for plain.
func (h *house) protection(device string) string {
	h.t.Helper()
	var detail api.CallDetail
	found := ""
	h.eventually(patience, "the call record", func() bool {
		var page api.CallPage
		h.decode(&page, "call", "list", "--json")
		for _, c := range page.Calls {
			if c.Open() {
				return false
			}
			h.decode(&detail, "call", "show", c.ID, "--json")
			for _, l := range detail.Call.Legs {
				if l.Device == device && l.Audio != nil {
					found = l.Audio.Protection
					if l.Audio.Forged > 2 { // baresip's first RTCP goes out before it has its keys
						h.t.Errorf("%d packets of %s were refused", l.Audio.Forged, device)
					}
					return true
				}
			}
		}
		return false
	})
	return found
}

// noKeys: what the house wrote down holds no key material.
func (h *house) noKeys() {
	h.t.Helper()
	_ = filepath.Walk(h.dir, func(path string, info os.FileInfo, err error) error {
		name := filepath.Base(path)
		if err != nil || info.IsDir() || strings.Contains(path, "baresip-") || strings.Contains(path, "linphone-") || strings.HasSuffix(name, ".wav") {
			return nil
		}
		b, _ := os.ReadFile(path)
		if strings.Contains(string(b), "inline:") || strings.Contains(string(b), "a=crypto") {
			h.t.Errorf("%s holds an SDP with keys", path)
		}
		return nil
	})
}

// hearsItself lets a phone that called the echo talk for two seconds; what it heard
// is written down when it hangs up.
func (h *house) hearsItself(s *softphone) {
	h.t.Helper()
	h.eventually(patience, "a hundred packets from the phone", func() bool { return h.metric(`centrala_media_packets_total{direction="in"}`) > 100 })
	s.do("hangup", "")
	h.eventually(patience, "baresip hears itself", func() bool { return robot.Hears(s.heard(), agentTone) })
}

// TestBaresipSRTP: a softphone with SDES over TLS, called by a plain phone through
// the queue and calling out; optional and mandatory, the two ways it writes SDP.
func TestBaresipSRTP(t *testing.T) {
	for _, mode := range []string{"srtp", "srtp-mand"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			h, _, secure, _ := openSecure(t)
			bob := h.softphoneBy("bob", "auto", agentTone, fmt.Sprintf("bob@%s;transport=tls mediaenc=%s", secure, mode),
				"module srtp.so\nsip_cafile "+filepath.Join(h.dir, "ca.pem")+"\nsip_trans_def tls")
			anna := h.phone("anna", "udp", robot.Any)
			caller := h.dial(anna, "3000")
			h.up(caller)
			caller.Leg().PlayTone(callerTone)
			h.hears("baresip's tone", caller, agentTone, callerTone)
			h.converse(2*time.Second, caller, nil)
			caller.Hangup()
			h.over(caller)
			h.eventually(patience, "baresip heard the caller", func() bool {
				pcm := bob.heard()
				return robot.Hears(pcm, callerTone) && robot.Quiet(pcm, agentTone)
			})
			if p := h.protection("bob"); !strings.HasPrefix(p, "sdes ") {
				t.Errorf("bob's sound was protected by %q", p)
			}
			h.noKeys()
			h.quiet()
		})
	}
}

// TestBaresipCallsWithSRTP: the phone makes the offer, and hears itself.
func TestBaresipCallsWithSRTP(t *testing.T) {
	t.Parallel()
	h, _, secure, _ := openSecure(t)
	bob := h.softphoneBy("bob", "auto", agentTone, fmt.Sprintf("bob@%s;transport=tls mediaenc=srtp-mandf", secure),
		"module srtp.so\nsip_cafile "+filepath.Join(h.dir, "ca.pem")+"\nsip_trans_def tls")
	bob.do("dial", fmt.Sprintf("sip:9@%s;transport=tls", secure))
	h.hearsItself(bob)
	if p := h.protection("bob"); !strings.HasPrefix(p, "sdes ") {
		t.Errorf("bob's sound was protected by %q", p)
	}
	h.noKeys()
}

// TestBaresipDTLS: a softphone with DTLS-SRTP and ICE, as browsers have, by its
// own hand: OpenSSL's DTLS and libre's ICE.
func TestBaresipDTLS(t *testing.T) {
	t.Parallel()
	h := prepare(t)
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("centrala.yaml", strings.Replace(string(b), "media: {", fmt.Sprintf("media: {webrtc: {listen: \"127.0.0.1:%d\"}, ", freePort(t)), 1))
	h.start()
	bob := h.softphoneBy("bob", "auto", agentTone, fmt.Sprintf("bob@%s;transport=udp mediaenc=dtls_srtp;medianat=ice;rtcp_mux=yes", h.sip), "module srtp.so\nmodule dtls_srtp.so\nmodule ice.so\nrtcp_mux yes")
	bob.do("dial", fmt.Sprintf("sip:9@%s", h.sip))
	h.hearsItself(bob)
	if p := h.protection("bob"); !strings.HasPrefix(p, "dtls ") {
		t.Errorf("bob's sound was protected by %q", p)
	}
}

// TestLinphoneSRTP: linphone with SRTP that it insists on.
func TestLinphoneSRTP(t *testing.T) {
	t.Parallel()
	h, _, secure, _ := openSecure(t)
	bob := h.linphone("bob", "tls", secure, agentTone, "media_encryption=srtp", "media_encryption_mandatory=1", "-a")
	caller := h.dial(h.phone("anna", "udp", robot.Any), "3000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("linphone's tone", caller, agentTone, musicTone, callerTone)
	h.converse(2*time.Second, caller, nil)
	caller.Hangup()
	h.over(caller)
	h.eventually(patience, "linphone heard the caller", func() bool { return robot.Hears(bob.heard(), callerTone) })
	if p := h.protection("bob"); !strings.HasPrefix(p, "sdes ") {
		t.Errorf("bob's sound was protected by %q", p)
	}
	h.noKeys()
}

// cpu is the processor time of the server so far.
func (h *house) cpu() time.Duration {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.cmd.Process.Pid))
	if err != nil {
		h.t.Skip("no /proc here")
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, sys int64
	_, _ = fmt.Sscan(f[11], &user)
	_, _ = fmt.Sscan(f[12], &sys)
	return time.Duration(user+sys) * 10 * time.Millisecond // USER_HZ is 100 everywhere
}

// TestBrowsersToPhones: a page by SIP over WSS talks to a phone by UDP, several
// times at once; both hear each other. What a call costs is logged;
// BROWSER_CALLS and BROWSER_SECONDS make a measurement of it.
func TestBrowsersToPhones(t *testing.T) {
	number := func(name string, usual int) int {
		n := usual
		_, _ = fmt.Sscan(os.Getenv(name), &n)
		return n
	}
	calls, seconds := number("BROWSER_CALLS", 3), number("BROWSER_SECONDS", 2)
	h, a, _, web := openSecureWith(t, func(text string) string {
		return strings.Replace(text, "media: {", fmt.Sprintf("media: {webrtc: {listen: \"127.0.0.1:%d\"}, ", freePort(t)), 1)
	})
	bob := h.phone("bob", "udp", robot.Any)
	page, err := browser.Open(t.Context(), browser.Config{URL: "wss://" + web + "/sip", User: "anna", Password: "pw-anna", Tone: callerTone,
		Client: &http.Client{Transport: &http.Transport{TLSClientConfig: a.trust()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(page.Close)
	var pages []*browser.Call
	var phones []*robot.Call
	for range calls {
		done := make(chan *browser.Call, 1)
		go func() {
			c, err := page.Dial(t.Context(), "3000")
			if err != nil {
				t.Error(err)
			}
			done <- c
		}()
		p := h.ring(bob)
		p.Answer()
		p.Leg().PlayTone(agentTone)
		c := <-done
		if c == nil {
			t.FailNow()
		}
		if err := c.Connected(t.Context()); err != nil {
			t.Fatal(err)
		}
		pages, phones = append(pages, c), append(phones, p)
	}
	h.hears("the phone", phones[0], callerTone, agentTone)
	before, at, packets := h.cpu(), time.Now(), h.metric("centrala_media_packets_total")
	h.eventually(time.Duration(seconds+10)*time.Second, "the time is over", func() bool { return time.Since(at) > time.Duration(seconds)*time.Second })
	spent, talked := h.cpu()-before, time.Since(at).Seconds()*float64(calls)
	moved := h.metric("centrala_media_packets_total") - packets // in and out
	t.Logf("%d calls between pages and phones: %.2f ms of CPU and %.0f packets, in and out, for a second of a call", calls, spent.Seconds()*1000/talked, moved/talked)
	for i, c := range pages {
		if pcm := c.Heard(time.Second); !robot.Hears(pcm, agentTone) || !robot.Quiet(pcm, callerTone) {
			t.Errorf("page %d does not hear its phone", i)
		}
		if err := c.Hangup(t.Context()); err != nil {
			t.Error(err)
		}
		h.over(phones[i])
	}
	h.quiet()
}
