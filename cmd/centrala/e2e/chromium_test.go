//go:build e2e

package e2e

import (
	_ "embed"
	le "encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
)

//go:embed chromium/phone.html
var phonePage []byte

// chromium is a page in the real browser: the microphone is a file, what it hears is
// measured by its own WebAudio.
type chromium struct {
	*house
	orders chan string
	mu     sync.Mutex
	now    struct {
		State      string             `json:"state"`
		Error      string             `json:"error"`
		Connection string             `json:"connection"`
		Levels     map[string]float64 `json:"levels"` // dB by tone
	}
}

// chromiumIn opens a page as user at the server's WSS address; its microphone hears a
// tone of hz. site gives the page's own address before the server starts.
func chromiumIn(h *house, srv *httptest.Server, c *chromium, user, password, wss string, hz int) {
	h.t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		h.t.Skip("no Chromium on this machine (apt-get install chromium)")
	}
	mic := filepath.Join(h.dir, "microphone.wav")
	const rate = 48000
	wav := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\xbb\x00\x00\x00\x77\x01\x00\x02\x00\x10\x00data\x00\x00\x00\x00")
	for i := range rate * 2 { // whole periods: it is played round and round
		wav = le.LittleEndian.AppendUint16(wav, uint16(int16(12000*math.Sin(2*math.Pi*float64(hz*i)/rate))))
	}
	le.LittleEndian.PutUint32(wav[4:], uint32(len(wav)-8))
	le.LittleEndian.PutUint32(wav[40:], uint32(len(wav)-44))
	if err := os.WriteFile(mic, wav, 0o600); err != nil {
		h.t.Fatal(err)
	}
	at := srv.URL + "/?" + url.Values{"user": {user}, "password": {password}, "ws": {wss}, "tones": {fmt.Sprintf("%d,%d", callerTone, agentTone)}}.Encode()
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
		"--user-data-dir="+filepath.Join(h.dir, "chromium"), "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
		"--use-file-for-fake-audio-capture="+mic, "--autoplay-policy=no-user-gesture-required", "--ignore-certificate-errors",
		"--allow-loopback-in-peer-connection", "--remote-debugging-port=0", at)
	cmd.Env = append(os.Environ(), "HOME="+h.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its helpers end with it
	log, err := os.Create(filepath.Join(h.dir, "chromium.log"))
	if err != nil {
		h.t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		h.t.Skip("Chromium does not start: ", err)
	}
	h.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		log.Close()
		if b, err := os.ReadFile(log.Name()); err == nil && h.t.Failed() {
			h.t.Logf("chromium: %s", b)
		}
	})
	c.house = h
}

// site serves the page and takes what it tells.
func (c *chromium) site() *httptest.Server {
	c.orders = make(chan string, 4)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(phonePage)
		case "/state":
			b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
			c.mu.Lock()
			_ = json.Unmarshal(b, &c.now)
			c.mu.Unlock()
		case "/next":
			select {
			case o := <-c.orders:
				fmt.Fprint(w, o)
			case <-time.After(5 * time.Second):
			case <-r.Context().Done():
			}
		default:
			http.NotFound(w, r)
		}
	}))
}

// is waits for a state of the page.
func (c *chromium) is(state string) {
	c.t.Helper()
	c.eventually(60*time.Second, "the page is "+state, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.now.State == "failed" {
			c.t.Fatal("the page failed: ", c.now.Error)
		}
		return c.now.State == state
	})
}

// hearsTone waits until the page hears one tone, and the other 30 dB below it.
func (c *chromium) hearsTone(hz, not int) {
	c.t.Helper()
	c.eventually(30*time.Second, fmt.Sprintf("the page hears %d Hz", hz), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		tone, ok := c.now.Levels[fmt.Sprint(hz)]
		return ok && tone > -40 && c.now.Levels[fmt.Sprint(not)] < tone-30
	})
}

// TestChromium: a page in the real browser registers by WSS, calls a phone, is called
// by it, and both hear each other: the browser's own ICE, DTLS, SRTP and Opus.
func TestChromium(t *testing.T) {
	var c chromium
	srv := c.site()
	t.Cleanup(srv.Close)
	h := prepare(t)
	a := h.authority()
	a.issue()
	wss := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	b, err := os.ReadFile(filepath.Join(h.dir, "centrala.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "media: {", fmt.Sprintf("media: {webrtc: {listen: \"127.0.0.1:%d\"}, ", freePort(t)), 1)
	h.write("centrala.yaml", strings.Replace(text, "media:", fmt.Sprintf(`    - {transport: wss, address: "%s", tls: {certificate: server.pem, key: server.key}, websocket: {origins: ["%s"]}}
media:`, wss, srv.URL), 1))
	h.start()
	bob := h.phone("bob", "udp", robot.Any)
	chromiumIn(h, srv, &c, "anna", "pw-anna", "wss://"+wss+"/sip", callerTone)
	c.is("registered")

	c.orders <- "dial 3000"
	p := h.ring(bob)
	p.Answer()
	p.Leg().PlayTone(agentTone)
	c.is("talking")
	c.hearsTone(agentTone, callerTone)
	h.hears("the phone", p, callerTone, agentTone)
	c.orders <- "hangup"
	c.is("idle")
	h.over(p)

	back := h.dial(bob, "101")
	c.is("ringing")
	c.orders <- "answer"
	h.up(back)
	back.Leg().PlayTone(agentTone)
	c.is("talking")
	c.hearsTone(agentTone, callerTone)
	h.hears("the phone", back, callerTone, agentTone)
	back.Hangup()
	h.over(back)
	c.is("idle")
	if p := h.protection("anna"); !strings.HasPrefix(p, "dtls") {
		t.Errorf("anna's sound was protected by %q", p)
	}
	h.quiet()
}
