package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/centrala/centrala/pkg/config/strict"
)

var update = flag.Bool("update", false, "write docs/config.md and configs/schema/node.json")

func TestEmptyFileIsGood(t *testing.T) {
	c, err := Parse(nil, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.SIP.Listeners) != 2 || c.HTTP.Listen != "127.0.0.1:9090" || c.Drain.Timeout.D() != 30*time.Second || c.Media.PortMin != 20000 {
		t.Errorf("%+v", c)
	}
}

func TestTenFaultsAreTenLines(t *testing.T) {
	const bad = `node: {name: "a b"}
sip:
  listners: []
  listeners:
    - {transport: sctp, address: 127.0.0.1}
    - {transport: udp, address: "0.0.0.0:5060"}
    - {address: "127.0.0.1:5060"}
  timers: {t1: 9s}
media:
  port_min: 20001
  port_max: 70000
log: {level: trace}
http: {listen: "localhost:9090"}
api: {listen: "0.0.0.0:80"}
store: {path: "postgres://x"}
drain: {timeout: 30}
`
	_, err := Parse([]byte(bad), "node.yaml", []string{"CENTRALA_LIMITS_MAX_CALLS=0", "CENTRALA_LOG_LEVL=info", "CENTRALA_SERVICE_HOST=10.0.0.1", "PATH=/bin"})
	if err == nil {
		t.Fatal("no fault")
	}
	got := err.Error()
	for _, want := range []string{
		`node.yaml:1:14: node.name: "a b"; want letters`,
		`node.yaml:3:3: sip.listners: unknown key "listners"; want listeners? (`,
		`node.yaml:5:19: sip.listeners[0].transport: unknown "sctp"; want tcp? (one of udp, tcp, tls, ws, wss)`,
		`sip.listeners[0].address: "127.0.0.1"; want an IP address and port`,
		`sip.listeners[2].address: 127.0.0.1:5060 overlaps udp 0.0.0.0:5060 (sip.listeners[1])`,
		`node.yaml:8:16: sip.timers.t1: 9s; want from 10ms to 5s`,
		`media.port_min: 20001 is odd`,
		`node.yaml:11:13: media.port_max: 70000; want from 1025 to 65535`,
		`log.level: unknown "trace"; want one of debug, info`,
		`http.listen: "localhost:9090"; want an IP address`,
		`api.listen: 0.0.0.0:80 is not a loopback`,
		`store.path: "postgres://x"; want`,
		`drain.timeout: "30"; want a duration`,
		`environment: CENTRALA_LIMITS_MAX_CALLS: 0; want from 1 to 100000`,
		`environment: warning: CENTRALA_LOG_LEVL: overrides no key; want CENTRALA_LOG_LEVEL?`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no fault %q", want)
		}
	}
	if strings.Contains(got, "sip.timers.t2") {
		t.Error("a fault that follows from another: t2 is held against a t1 that nobody wrote")
	}
	if strings.Contains(got, "SERVICE_HOST") {
		t.Error("a variable that Kubernetes makes is told as a fault")
	}
	if t.Failed() {
		t.Log("\n" + got)
	}
}

func TestEnvironmentOverridesTheFile(t *testing.T) {
	c, err := Parse([]byte("sip: {realm: file}\nlog: {level: debug}\n"), "/etc/centrala/c.yaml", []string{
		"CENTRALA_SIP_REALM=env", "CENTRALA_SIP_TIMERS_T1=100ms", "CENTRALA_HTTP_PPROF=true", "CENTRALA_MEDIA_WORKERS=3",
		`CENTRALA_SIP_LISTENERS=[{transport: tcp, address: "127.0.0.1:0"}]`, "CENTRALA_RESOURCES=[a, /b]", "CENTRALA_DATA=/tmp/x",
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.SIP.Realm != "env" || c.Log.Level != "debug" || c.SIP.Timers.T1.D() != 100*time.Millisecond || !c.HTTP.Pprof || c.Media.Workers != 3 {
		t.Errorf("%+v", c)
	}
	if len(c.SIP.Listeners) != 1 || c.SIP.Listeners[0].Transport != "tcp" {
		t.Errorf("listeners %+v", c.SIP.Listeners)
	}
	if r := c.ResourcePaths(); r[0] != "/etc/centrala/a" || r[1] != "/b" {
		t.Errorf("resources %v", r)
	}
	if c.StorePath() != "/tmp/x/centrala.db" {
		t.Errorf("store %s", c.StorePath())
	}
	c.Rebase("/data")
	if c.RecordingsDir() != "/data/recordings" || c.SocketPath() != "/data/centrala.sock" {
		t.Error("paths do not follow --data")
	}
}

func TestFaultsOfMusic(t *testing.T) {
	const bad = `prompts:
  music:
    - {name: radio, url: "ftp://x/"}
    - {name: radio, files: [a.mp3], url: "https://x/"}
    - {name: Lounge}
    - {name: list, files: [""], fallback: radio}
    - {name: live, url: "http://x/radio", shuffle: true}
    - {name: good, url: "http://10.0.0.1:8000/radio.mp3", fallback: music}
`
	_, err := Parse([]byte(bad), "node.yaml", nil)
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		`prompts.music[0].url: "ftp://x/"; want an http or https URL`, `prompts.music[1].name: "radio" is there already`,
		`prompts.music[1].url: set beside files`, `prompts.music[2].name: "Lounge"; want lower case`, `prompts.music[2].url: missing`,
		`prompts.music[3].files[0]: empty`, `prompts.music[3].fallback: "radio" is a source`, `prompts.music[4].shuffle: a broadcast`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %q in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "music[5]") {
		t.Error("a good one is a fault")
	}
}

func TestExplicitZeroIsNotTheDefault(t *testing.T) {
	c, err := Parse([]byte("media: {rtp_timeout: 0s}\nhttp: {listen: \"\"}\ndrain: {timeout: 0s}\n"), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Media.RTPTimeout != 0 || c.HTTP.Listen != "" || c.Drain.Timeout != 0 {
		t.Errorf("%v %q %v", c.Media.RTPTimeout, c.HTTP.Listen, c.Drain.Timeout)
	}
}

func TestReloadableSplit(t *testing.T) {
	a, _ := Parse(nil, "", nil)
	b, _ := Parse([]byte("log: {level: debug}\nlimits: {max_calls: 7}\nsip: {realm: other, listeners: [{address: \"127.0.0.1:5060\"}]}\n"), "", nil)
	apply, restart := Reloadable(a, b)
	if strings.Join(apply, " ") != "log.level limits.max_calls" || strings.Join(restart, " ") != "sip.listeners sip.realm" {
		t.Errorf("apply %v, restart %v", apply, restart)
	}
}

func TestMissingFileIsExplained(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "no.yaml"), nil); err == nil || !strings.Contains(err.Error(), "--config") {
		t.Errorf("%v", err)
	}
}

func TestReferenceAndSchemaAreCurrent(t *testing.T) {
	text, err := json.MarshalIndent(Schema(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	current(t, "../../docs/config.md", []byte(Reference()))
	current(t, "../../configs/schema/node.json", append(text, '\n'))
}

func current(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
		t.Errorf("%s is not current: go test ./pkg/config ./pkg/resource -update", path)
	}
}

// Every example loads, and its schema agrees with the reader.
func TestExamplesLoadAndFitTheSchema(t *testing.T) {
	files, _ := filepath.Glob("../../configs/*/centrala.yaml")
	c := jsonschema.NewCompiler()
	text, _ := json.Marshal(Schema())
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("node.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("node.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := Load(f, nil); err != nil {
			t.Errorf("%v", err)
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		docs, _ := strict.Split(data, f)
		if err := s.Validate(plain(t, docs[0])); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	bad, _ := strict.Split([]byte("sip: {listners: []}\n"), "bad")
	if s.Validate(plain(t, bad[0])) == nil {
		t.Error("the schema takes an unknown key")
	}
}

func plain(t *testing.T, d strict.Doc) any {
	text, err := json.Marshal(d.Plain())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("sip: {listeners: [{address: \"[::]:5060\"}]}\n"))
	f.Add([]byte("- - -\n? a\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) { Parse(data, "f", nil) })
}

// What a listener by TLS or WebSocket needs, and what makes no sense.
func TestListenerTLS(t *testing.T) {
	for name, tc := range map[string]struct{ listeners, want string }{
		"tls without certificate": {"{transport: tls, address: '0.0.0.0:5061'}", "sip.listeners[0].tls.certificate: want certificate and key, or acme: true"},
		"udp with certificate":    {"{transport: udp, address: '0.0.0.0:5061', tls: {certificate: a, key: b}}", "sip.listeners[0].tls: the listener is udp"},
		"acme without hosts":      {"{transport: tls, address: '0.0.0.0:5061', tls: {acme: true}}", "sip.acme.hosts is empty"},
		"acme and files":          {"{transport: tls, address: '0.0.0.0:5061', tls: {acme: true, certificate: a, key: b}}", "want one of them"},
		"required without ca":     {"{transport: tls, address: '0.0.0.0:5061', tls: {certificate: a, key: b, client_required: true}}", "client_ca is empty"},
		"browser with ca":         {"{transport: wss, address: '0.0.0.0:443', tls: {certificate: a, key: b, client_ca: c}}", "want transport tls"},
		"any origin":              {"{transport: ws, address: '0.0.0.0:80', websocket: {origins: ['*']}}", "websocket.origins[0]"},
		"origins by tcp":          {"{transport: tcp, address: '0.0.0.0:80', websocket: {origins: ['x.example']}}", "want transport ws or wss"},
		"path":                    {"{transport: ws, address: '0.0.0.0:80', websocket: {path: sip}}", `want a path such as "/sip"`},
		"tls over tcp's port":     {"{transport: tcp, address: '0.0.0.0:5060'}, {transport: tls, address: '127.0.0.1:5060', tls: {certificate: a, key: b}}", "overlaps tcp 0.0.0.0:5060"},
		"both families, good":     {"{transport: udp, address: '0.0.0.0:5060'}, {transport: udp, address: '[::]:5060'}, {transport: wss, address: '[::]:443', tls: {certificate: a, key: b}}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte("sip: {listeners: ["+tc.listeners+"]}"), "/etc/node.yaml", nil)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	c, err := Parse([]byte("sip: {listeners: [{transport: ws}], tls: {ca: ca.pem}}"), "/etc/node.yaml", nil)
	if err != nil || c.SIP.Listeners[0].WebSocket.Path != "/sip" || c.Beside(c.SIP.TLS.CA) != "/etc/ca.pem" || c.SIP.Keepalive.UDPMisses != 3 {
		t.Errorf("defaults: %+v, %v", c, err)
	}
}

// A faulty file still tells where the resources are, and no key is held against one
// that could not be read.
func TestFaultyConfigIsRead(t *testing.T) {
	c, err := Parse([]byte("resources: [a, b.yaml]\nsip: {timers: {t1: 9s, t2: 150ms}}\nlog: {level: trace}\n"), "/etc/centrala/node.yaml",
		[]string{"CENTRALA_BIN=/usr/bin/centrala", "CENTRALA_SIP_SESSION_TIMER_MIN_SE=1000h"})
	if err == nil || c == nil {
		t.Fatal(c, err)
	}
	if got := c.ResourcePaths(); len(got) != 2 || got[1] != "/etc/centrala/b.yaml" {
		t.Errorf("%q", got)
	}
	if n := len(strings.Split(err.Error(), "\n")); n != 3 || strings.Contains(err.Error(), "CENTRALA_BIN") {
		t.Errorf("%d faults, want 3:\n%v", n, err)
	}
	if c, err := Load("/does/not/exist.yaml", nil); err == nil || c != nil {
		t.Error(c, err)
	}
	// What is wrong between two keys that can be read is told.
	if _, err := Parse([]byte("sip: {timers: {t1: 1s, t2: 150ms}}"), "", nil); err == nil || !strings.Contains(err.Error(), "sip.timers.t2") {
		t.Error(err)
	}
}
