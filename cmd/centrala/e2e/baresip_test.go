//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

// softphone is a baresip without screen: its microphone is a WAV file with a
// tone, and what it hears goes to a file.
type softphone struct {
	h    *house
	dir  string
	ctrl string
}

// modules finds baresip's module folder.
func modules(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{"/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if _, err := os.Stat(filepath.Join(dir, "g711.so")); err == nil {
			return dir
		}
	}
	t.Fatal("baresip's modules are not installed; run make deps")
	return ""
}

// softphone starts baresip as user, with answer "auto" or "manual".
func (h *house) softphone(user, answer string, tone float64) *softphone {
	return h.softphoneBy(user, answer, tone, fmt.Sprintf("%s@%s;transport=udp", user, h.sip), "")
}

// softphoneBy starts baresip with an address of record of its own, behind a blank
// its account parameters, and more lines in its configuration.
func (h *house) softphoneBy(user, answer string, tone float64, aor, more string) *softphone {
	t := h.t.(*testing.T)
	t.Helper()
	aor, params, _ := strings.Cut(aor, " ")
	s := &softphone{h: h, dir: filepath.Join(h.dir, "baresip-"+user), ctrl: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	heard := filepath.Join(s.dir, "heard")
	if err := os.MkdirAll(heard, 0o755); err != nil {
		t.Fatal(err)
	}
	mic := filepath.Join(s.dir, "mic.wav")
	writeTone(t, mic, tone, 60*time.Second)
	// Above the range of outgoing connections, below 65535, even.
	rtp, release := claim(t, &nextBaresip, 61000, 32, 140)
	t.Cleanup(release)
	config := fmt.Sprintf(`module_path %s
net_interface 127.0.0.1
sip_listen 127.0.0.1:%d
audio_source aufile,%s
audio_player aubridge,pl_%s
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
snd_path %s
ctrl_tcp_listen %s
rtp_ports %d-%d
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
%s
`, modules(t), freePort(t), mic, user, heard, s.ctrl, rtp, rtp+20, more)
	if !strings.Contains(params, "audio_codecs=") {
		params = "audio_codecs=pcma/8000/1,pcmu/8000/1;" + params
	}
	account := fmt.Sprintf("<sip:%s>;auth_pass=pw-%s;regint=60;answermode=%s;%s\n", aor, user, answer, params)
	for name, text := range map[string]string{"config": config, "accounts": account, "contacts": "", "uuid": "1d5c0a9e-0000-4000-8000-" + fmt.Sprintf("%012d", freePort(t))} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	log, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("baresip", "-f", s.dir)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("baresip of %s:\n%s", user, b[max(0, len(b)-3000):])
		}
	})
	h.eventually(patience, user+"'s baresip registers", func() bool {
		out, err := h.run("user", "list", "--json")
		return err == nil && s.registered(out)
	})
	return s
}

// registered asks the house whether this phone has a contact.
func (s *softphone) registered(string) bool {
	b, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return strings.Contains(string(b), "200 OK")
}

// do sends a command to baresip (netstrings over TCP).
func (s *softphone) do(command, params string) {
	s.h.t.Helper()
	c, err := net.DialTimeout("tcp", s.ctrl, 2*time.Second)
	if err != nil {
		s.h.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	b, _ := json.Marshal(map[string]string{"command": command, "params": params})
	_, _ = fmt.Fprintf(c, "%d:%s,", len(b), b)
	_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
	r := bufio.NewReader(c)
	size, err := r.ReadString(':')
	if err != nil {
		s.h.t.Fatalf("baresip %s: %v", command, err)
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(size, ":"))
	_, _ = io.ReadFull(r, make([]byte, min(n, 1<<16)))
}

// heard reads what the phone's loudspeaker got (sndfile writes NAME-dec.wav).
func (s *softphone) heard() []int16 {
	s.h.t.Helper()
	files, _ := filepath.Glob(filepath.Join(s.dir, "heard", "*dec*.wav"))
	var all []int16
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		w, err := robot.ReadWAV(f)
		_ = f.Close()
		if err == nil {
			for i := 0; i < len(w.Channels[0]); i += w.Rate / 8000 { // the tones are below 4 kHz
				all = append(all, w.Channels[0][i])
			}
		}
	}
	return all
}

// TestBaresipAgent: a real softphone takes the call of a queue by itself.
func TestBaresipAgent(t *testing.T) {
	t.Parallel()
	h := open(t)
	bob := h.softphone("bob", "auto", agentTone)
	anna := h.phone("anna", "udp", robot.Any)
	h.agent("bob", "ready")
	caller := h.dial(anna, "1000")
	h.up(caller)
	caller.Leg().PlayTone(callerTone)
	h.hears("menu", caller, helloTone)
	caller.Leg().SendDigits("1")
	h.hears("baresip's tone", caller, agentTone, musicTone, callerTone)
	h.converse(3*time.Second, caller, nil)
	caller.Hangup()
	h.over(caller)
	if d := h.ended(); d.Agent != "bob" || segments(d) != "menu waiting talking" {
		t.Errorf("agent %q, %s", d.Agent, segments(d))
	}
	h.holdsBoth(h.recording())
	h.eventually(patience, "baresip heard the caller", func() bool {
		pcm := bob.heard()
		return robot.Hears(pcm, callerTone) && robot.Quiet(pcm, agentTone)
	})
	h.quiet()
}

// TestBaresipCaller: a real softphone calls, hears itself in the echo, and a
// robot agent directly.
func TestBaresipCaller(t *testing.T) {
	t.Parallel()
	h := open(t)
	anna := h.softphone("anna", "manual", callerTone)
	bob := h.phone("bob", "udp", robot.Any)
	anna.do("dial", fmt.Sprintf("sip:201@%s", h.sip))
	agent := h.ring(bob)
	agent.Answer()
	agent.Leg().PlayTone(agentTone)
	h.hears("agent", agent, callerTone, agentTone)
	h.converse(2*time.Second, agent, nil)
	anna.do("hangup", "")
	h.over(agent)
	h.eventually(patience, "baresip heard the agent", func() bool {
		pcm := anna.heard()
		return robot.Hears(pcm, agentTone) && robot.Quiet(pcm, callerTone)
	})
	h.quiet()
}
