package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Fault and Faults: what is wrong with a node file, all at once.
type (
	Fault  = strict.Fault
	Faults = strict.Faults
)

// EnvPrefix begins every environment variable that overrides a key:
// sip.timers.t1 is CENTRALA_SIP_TIMERS_T1. Lists are written as YAML: [a, b].
const EnvPrefix = "CENTRALA_"

// Load reads the node file at path, then env ("KEY=value", as os.Environ gives
// it) over it, then checks all of it. The error is a Faults with every fault; a
// file that cannot be read is one too. Beside faults Config holds what could be
// read, for who wants to look further (centrala check), nil when nothing could.
// path "" takes the defaults and env alone. On success the warnings, if any, are
// in Config.Warnings.
func Load(path string, env []string) (*Config, error) {
	var data []byte
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			hint := "name the node file with --config"
			if !errors.Is(err, fs.ErrNotExist) {
				hint = "may this user read it?"
			}
			return nil, Faults{{File: path, Message: fmt.Sprintf("%v; %s", errors.Unwrap(err), hint)}}
		}
	}
	return Parse(data, path, env)
}

// Parse is Load on bytes. path is for faults and for relative resource folders.
func Parse(data []byte, path string, env []string) (*Config, error) {
	c := Default()
	c.file = path
	docs, faults := strict.Split(data, path)
	if len(docs) > 1 {
		p := docs[1].Pos()
		faults = append(faults, Fault{File: path, Line: p.Line, Col: p.Col, Message: "a second document; a node file has one (resources are in files of their own)"})
	}
	places := map[string]strict.Pos{}
	if len(docs) > 0 {
		got := docs[0].Decode(c, strict.Options{})
		faults = append(faults, got.Faults...)
		places = got.Places
	}
	for i := range c.SIP.Listeners {
		fillDefaults(reflect.ValueOf(&c.SIP.Listeners[i]).Elem())
	}
	for i := range c.Auth.OIDC {
		fillDefaults(reflect.ValueOf(&c.Auth.OIDC[i]).Elem())
	}
	faults = append(faults, c.override(env)...)
	if len(c.SIP.Listeners) == 0 {
		c.SIP.Listeners = []Listener{{Transport: "udp", Address: "0.0.0.0:5060"}, {Transport: "tcp", Address: "0.0.0.0:5060"}}
		for i := range c.SIP.Listeners {
			fillDefaults(reflect.ValueOf(&c.SIP.Listeners[i]).Elem())
		}
	}
	bad := map[string]bool{}
	for _, f := range faults {
		bad[f.Path] = true
	}
	for _, l := range leaves(reflect.ValueOf(c).Elem(), "", false) {
		bad[l.path] = bad[l.path] || bad[l.env()]
	}
	for _, f := range c.check() {
		if bad[f.Path] || slices.ContainsFunc(heldAgainst[f.Path], func(p string) bool { return bad[p] }) {
			continue // already told, with the value as written
		}
		if p, ok := places[f.Path]; ok && f.File == "" {
			f.File, f.Line, f.Col = path, p.Line, p.Col
		} else if f.File == "" {
			f.File = path
		}
		faults = append(faults, f)
	}
	faults.Sort()
	if err := faults.Err(); err != nil {
		return c, err
	}
	c.Warnings = faults
	return c, nil
}

// heldAgainst names the keys that a key is compared with: a fault there makes the
// comparison one of a value that nobody wrote.
var heldAgainst = map[string][]string{
	"sip.timers.t2":              {"sip.timers.t1"},
	"sip.timers.default_expires": {"sip.timers.min_expires", "sip.timers.max_expires"},
	"sip.session_timer.expires":  {"sip.session_timer.min_se"},
}

// Default is a Config with every default in place.
func Default() *Config {
	c := &Config{}
	fillDefaults(reflect.ValueOf(c).Elem())
	return c
}

// fillDefaults sets every field that is zero to its default tag.
func fillDefaults(v reflect.Value) {
	for i := range v.NumField() {
		f, tag := v.Field(i), v.Type().Field(i).Tag
		if !v.Type().Field(i).IsExported() || tag.Get("yaml") == "-" {
			continue
		}
		if f.Kind() == reflect.Struct {
			fillDefaults(f)
			continue
		}
		if def := tag.Get("default"); def != "" && f.IsZero() {
			if faults := strict.Text(f, tag, "", "", def); len(faults) > 0 {
				panic("config: default of " + v.Type().Field(i).Name + ": " + faults.Error())
			}
		}
	}
}

// leaf is one key of the node file.
type leaf struct {
	path  string // sip.timers.t1
	field reflect.StructField
	value reflect.Value
	live  bool
}

// env is the variable that overrides the key.
func (l leaf) env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(l.path, ".", "_"))
}

// leaves lists every key in the order of the file.
func leaves(v reflect.Value, path string, live bool) []leaf {
	var out []leaf
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := f.Tag.Get("yaml")
		if !f.IsExported() || name == "-" {
			continue
		}
		sub := name
		if path != "" {
			sub = path + "." + name
		}
		alive := live || f.Tag.Get("live") == "true"
		if f.Type.Kind() == reflect.Struct {
			out = append(out, leaves(v.Field(i), sub, alive)...)
			continue
		}
		out = append(out, leaf{sub, f, v.Field(i), alive})
	}
	return out
}

// otherEnv are variables of ours that are no keys (BIN is the program that tests
// run), and those that Kubernetes
// makes for a service that is called centrala.
func otherEnv(name string) bool {
	for _, s := range []string{"CONFIG", "SOCKET", "BIN", "SERVICE_HOST", "SERVICE_PORT", "PORT"} {
		if rest, ok := strings.CutPrefix(name, EnvPrefix+s); ok && (rest == "" || rest[0] == '_') {
			return true
		}
	}
	return false
}

func (c *Config) override(env []string) Faults {
	var faults Faults
	all := leaves(reflect.ValueOf(c).Elem(), "", false)
	var names []string
	for _, l := range all {
		names = append(names, l.env())
	}
	for _, kv := range env {
		name, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, EnvPrefix) || otherEnv(name) {
			continue
		}
		i := slices.Index(names, name)
		if i < 0 {
			faults = append(faults, Fault{File: "environment", Path: name, Warning: true, Message: "overrides no key; want " + nearest(name, names)})
			continue
		}
		fs := strict.Text(all[i].value, all[i].field.Tag, "environment", name, text)
		for j := range fs {
			if !strings.HasPrefix(fs[j].Path, name) {
				fs[j].Path = name
			}
		}
		faults = append(faults, fs...)
	}
	for i := range c.SIP.Listeners {
		fillDefaults(reflect.ValueOf(&c.SIP.Listeners[i]).Elem())
	}
	return faults
}

func nearest(name string, names []string) string {
	s := strict.Suggest(name, names)
	if near, _, ok := strings.Cut(s, "? ("); ok {
		return near + "?"
	}
	return "a key of docs/config.md"
}

// UnmarshalText reads "500ms", "20s", "1h30m". The error says what is allowed.
func (d *Duration) UnmarshalText(text []byte) error {
	x, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%s; want a duration such as "500ms", "20s" or "1h30m"`, strict.Quote(string(text)))
	}
	*d = Duration(x)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Rebase sets the data folder (the --data flag); relative paths follow it.
func (c *Config) Rebase(data string) { c.Data = data }

// inData resolves a path of the data folder.
func (c *Config) inData(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.Data, p)
}

// StorePath, RecordingsDir, PromptsDir, SpeechDir and SocketPath are the resolved paths.
func (c *Config) StorePath() string      { return c.inData(c.Store.Path) }
func (c *Config) RecordingsDir() string  { return c.inData(c.Recordings.Dir) }
func (c *Config) PromptsDir() string     { return c.inData(c.Prompts.Dir) }
func (c *Config) SecretsKeyFile() string { return c.inData(c.Flows.SecretsKeyFile) }
func (c *Config) SpeechDir() string      { return c.inData(c.Speech.Cache) }
func (c *Config) SocketPath() string     { return c.inData(c.API.Socket) }

// MusicNames are the sources of music that this file names.
func (c *Config) MusicNames() (names []string) {
	for _, m := range c.Prompts.Music {
		names = append(names, m.Name)
	}
	return names
}

// ResourcePaths are the resource folders and files, resolved beside the node file.
func (c *Config) ResourcePaths() []string {
	out := make([]string, len(c.Resources))
	for i, p := range c.Resources {
		if !filepath.IsAbs(p) {
			p = filepath.Join(filepath.Dir(c.file), p)
		}
		out[i] = p
	}
	return out
}

// Beside resolves a path of a certificate: relative to the node file.
func (c *Config) Beside(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(c.file), p)
}

// ACMECache is the resolved folder of ACME's keys.
func (c *Config) ACMECache() string { return c.inData(c.SIP.ACME.Cache) }

// NodeName is the configured name, or the host's first label as a name.
func (c *Config) NodeName() string {
	if c.Node.Name != "" {
		return c.Node.Name
	}
	host, _ := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && nodeName.MatchString(string(r)) {
			return r
		}
		return -1
	}, host)
	if host == "" {
		return "centrala"
	}
	return host[:min(len(host), 32)]
}
