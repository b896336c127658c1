//go:build e2e

package e2e

import (
	le "encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// linphone is linphonec of Debian's linphone-cli: commands by its input, a WAV
// file as microphone, another as loudspeaker.
type linphone struct {
	h   *house
	dir string
	in  io.Writer
	log string
}

// linphone starts and registers one at h.sip, or by TLS at secure, or skips the
// test where it is not installed.
func (h *house) linphone(user string, transport, secure string, tone float64, args ...string) *linphone {
	t := h.t.(*testing.T)
	t.Helper()
	if _, err := exec.LookPath("linphonec"); err != nil {
		t.Skip("linphonec is not installed (Debian: linphone-cli); the behaviour is shown by robots and baresip too")
	}
	l := &linphone{h: h, dir: filepath.Join(h.dir, "linphone-"+user)}
	for _, sub := range []string{".local/share/linphone", ".config/linphone"} {
		if err := os.MkdirAll(filepath.Join(l.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	// It checks the chain, not the name: linphone 5.1 knows no addresses in certificates.
	listen := map[string]int{transport: int(freePort(t))}
	sipLines := "" // "key=value" among the arguments goes into [sip]
	for len(args) > 0 && strings.Contains(args[0], "=") {
		sipLines, args = sipLines+args[0]+"\n", args[1:]
	}
	to := h.sip.String()
	if transport == "tls" {
		to = secure
	}
	rtp, release := sippRTP(t)
	t.Cleanup(release)
	config := fmt.Sprintf("[sip]\nsip_port=%d\nsip_tcp_port=%d\nsip_tls_port=%d\nuse_ipv6=0\nguess_hostname=0\nverify_server_certs=1\nverify_server_cn=0\nroot_ca=%s\n"+sipLines+
		"[video]\ncapture=0\ndisplay=0\nautomatically_initiate=0\nautomatically_accept=0\n"+
		"[rtp]\naudio_rtp_port=%d\n[sound]\nechocancellation=0\n[misc]\nstore_friends=0\n"+
		"[proxy_0]\nreg_proxy=<sip:%[6]s;transport=%[7]s>\nreg_route=<sip:%[6]s;transport=%[7]s;lr>\nreg_identity=sip:%[8]s@%[6]s\nreg_expires=300\nreg_sendregister=1\npublish=0\n"+
		"[auth_info_0]\nusername=%[8]s\npasswd=pw-%[8]s\nrealm=centrala\n", listen["udp"], listen["tcp"], listen["tls"], filepath.Join(h.dir, "ca.pem"), rtp, to, transport, user)
	mic := filepath.Join(l.dir, "mic.wav")
	writeTone(t, mic, tone, 30*time.Second)
	rc := filepath.Join(l.dir, "linphonerc")
	if err := os.WriteFile(rc, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l.log = filepath.Join(l.dir, "log")
	out, err := os.Create(l.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("linphonec", append([]string{"-c", rc, "-d", "6", "-l", filepath.Join(l.dir, "debug")}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.dir, out, out
	cmd.Env = append(os.Environ(), "HOME="+l.dir, "TERM=dumb")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if l.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	before := h.metric("centrala_sip_registrations")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = out.Close()
		if t.Failed() {
			b, _ := os.ReadFile(l.log)
			t.Logf("linphone of %s:\n%s", user, b[max(0, len(b)-3000):])
			debug, _ := os.ReadFile(filepath.Join(l.dir, "debug"))
			for line := range strings.Lines(string(debug)) {
				if strings.Contains(line, "-error-") || strings.Contains(line, "certificate") {
					t.Log(line)
				}
			}
		}
	})
	l.do("soundcard use files")
	l.do("play " + mic)
	l.do("record " + filepath.Join(l.dir, "heard.wav"))
	h.eventually(patience, user+"'s linphone registers", func() bool { return h.metric("centrala_sip_registrations") > before })
	return l
}

// do types a command.
func (l *linphone) do(line string) {
	l.h.t.Helper()
	if _, err := fmt.Fprintln(l.in, line); err != nil {
		l.h.t.Fatalf("linphone %q: %v", line, err)
	}
	time.Sleep(50 * time.Millisecond) // it reads by character and drops what comes in a heap
}

// says tells whether a text is in what it printed.
func (l *linphone) says(text string) bool {
	b, _ := os.ReadFile(l.log)
	return strings.Contains(string(b), text)
}

// heard reads what the phone's loudspeaker got. The sizes in linphone's header
// are wrong (they count the header twice), so that no WAV reader takes it.
func (l *linphone) heard() []int16 {
	b, err := os.ReadFile(filepath.Join(l.dir, "heard.wav"))
	if err != nil || len(b) < 44 {
		return nil
	}
	step := int(max(1, le.LittleEndian.Uint32(b[24:])/robot.SampleRate)) * int(max(1, le.LittleEndian.Uint16(b[22:])))
	var pcm []int16
	for i := 44; i+1 < len(b); i += 2 * step {
		pcm = append(pcm, int16(le.LittleEndian.Uint16(b[i:])))
	}
	return pcm
}

// TestLinphone registers, calls an agent, holds, resumes, and hands the call on.
func TestLinphone(t *testing.T) {
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h, _, secure, _ := openSecure(t)
			anna := h.linphone("anna", transport, secure, callerTone)
			bob, carol := h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
			anna.do(fmt.Sprintf("call sip:201@%s", h.sip))
			agent := h.ring(bob)
			agent.Answer()
			agent.Leg().PlayTone(agentTone)
			h.hears("agent", agent, callerTone, agentTone)
			anna.do("pause")
			h.hears("held by linphone", agent, 0, callerTone)
			anna.do("resume 1")
			h.hears("resumed", agent, callerTone, agentTone)
			anna.do(fmt.Sprintf("transfer sip:202@%s", h.sip))
			third := h.ring(carol)
			third.Answer()
			third.Leg().PlayTone(callerTone)
			h.hears("bob hears carol", agent, callerTone, agentTone)
			h.hears("carol hears bob", third, agentTone, callerTone)
			third.Hangup()
			h.over(agent)
			if d := h.ended(); strings.Count(segments(d), "hold") != 1 {
				t.Error(segments(d))
			}
			h.quiet()
		})
	}
}

// TestLinphoneAnswers: it takes a call from the queue by itself.
func TestLinphoneAnswers(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.linphone("bob", "udp", "", agentTone, "-a")
	anna := h.phone("anna", "udp", robot.Any)
	h.agent("bob", "ready")
	caller := h.dial(anna, "2000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("linphone's tone", caller, agentTone, musicTone, callerTone)
	h.converse(time.Second, caller, nil)
	caller.Hangup()
	h.over(caller)
	if d := h.ended(caller); d.Agent != "bob" || segments(d) != "waiting talking" {
		t.Errorf("agent %q, %s", d.Agent, segments(d))
	}
	h.eventually(patience, "linphone heard the caller", func() bool {
		pcm := bob.heard()
		return robot.Hears(pcm, callerTone) && robot.Quiet(pcm, agentTone)
	})
	h.quiet()
}

// TestBaresipHoldsAndTransfers: over both transports, by its commands.
func TestBaresipHoldsAndTransfers(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			anna := h.softphoneBy("anna", "manual", callerTone, fmt.Sprintf("anna@%s;transport=%s", h.sip, transport), "")
			bob, carol := h.phone("bob", "udp", robot.Any), h.phone("carol", "udp", robot.Any)
			anna.do("dial", fmt.Sprintf("sip:201@%s;transport=%s", h.sip, transport))
			agent := h.ring(bob)
			agent.Answer()
			agent.Leg().PlayTone(agentTone)
			h.hears("agent", agent, callerTone, agentTone)
			anna.do("hold", "")
			h.hears("held by baresip", agent, 0, callerTone)
			anna.do("resume", "")
			h.hears("resumed", agent, callerTone, agentTone)
			anna.do("transfer", fmt.Sprintf("sip:202@%s", h.sip))
			third := h.ring(carol)
			third.Answer()
			third.Leg().PlayTone(callerTone)
			h.hears("bob hears carol", agent, callerTone, agentTone)
			h.hears("carol hears bob", third, agentTone, callerTone)
			third.Hangup()
			h.over(agent)
			d := h.ended()
			if !strings.Contains(segments(d), "hold") {
				t.Error(segments(d))
			}
			h.quiet()
		})
	}
}
