package prompt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goccy/go-yaml"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

type textsFile struct {
	Shared  map[string]string            `yaml:"shared"`
	Prompts map[string]map[string]string `yaml:"prompts"`
}

func texts(t *testing.T) textsFile {
	t.Helper()
	raw, err := os.ReadFile("texts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc textsFile
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for _, lang := range spoken.Languages() {
		for name, text := range spoken.Vocabulary(lang) {
			if doc.Prompts[name] == nil {
				doc.Prompts[name] = map[string]string{}
			}
			doc.Prompts[name][lang] = text
		}
	}
	return doc
}

// What a caller hears, in words, for people who speak the language to read.
func TestGoldenSpeech(t *testing.T) {
	doc := texts(t)
	var out strings.Builder
	say := func(lang Language, what string, phrases []Phrase) {
		var said []string
		for _, p := range phrases {
			text, ok := doc.Prompts[p.Name][string(lang)]
			if !ok {
				t.Errorf("%s: no text for %q", lang, p.Name)
			}
			said = append(said, strings.TrimSpace(text))
		}
		fmt.Fprintf(&out, "%s %s: %s\n", lang, what, strings.Join(said, " | "))
	}
	for _, lang := range []Language{"en", "ro", "ru"} {
		for _, n := range []int{-1, 0, 1, 2, 10, 12, 19, 20, 21, 22, 30, 45, 99, 100, 101, 999, 1000, 2026} {
			say(lang, fmt.Sprint(n), lang.Number(n))
		}
		for _, n := range []int{0, 1, 2, 20, 21, 32, 100, 250} {
			say(lang, fmt.Sprint("place ", n), lang.Position(n))
		}
		say(lang, "digits", lang.Digits("+40 (72) 0*#x"))
	}
	const golden = "testdata/speech.txt"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("got:\n%s", out.String())
	}
}

// Whatever is put together exists in every language.
func TestEveryPieceHasText(t *testing.T) {
	doc := texts(t)
	for _, lang := range []Language{"en", "ro", "ru"} {
		for n := range 1200 {
			for _, p := range append(lang.Number(n), lang.Position(n)...) {
				if doc.Prompts[p.Name][string(lang)] == "" {
					t.Fatalf("%s %d: no text for %q", lang, n, p.Name)
				}
			}
		}
	}
}

func wav(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

func heard(t *testing.T, s *Set, name, lang string) string {
	t.Helper()
	rc, key, err := s.Open(name, lang)
	if err != nil {
		if rc != nil || key != "" {
			t.Errorf("%v with %q", err, key)
		}
		if errors.Is(err, ErrNotFound) {
			return "none"
		}
		return "error"
	}
	defer rc.Close()
	b, err := io.ReadAll(rc)
	if err != nil || key == "" {
		t.Fatal(key, err)
	}
	return string(b)
}

func TestOpen(t *testing.T) {
	site, outside := t.TempDir(), t.TempDir()
	write := func(dir, name, content string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write(site, "ro/menu.wav", "site ro")
	write(site, "jingle.wav", "own en")
	secret := write(outside, "secret.wav", "secret")
	if err := os.Symlink(secret, filepath.Join(site, "link.wav")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(site, "ru")); err != nil {
		t.Fatal(err)
	}
	embedded := fstest.MapFS{
		"en/menu.wav": wav("en"), "ro/menu.wav": wav("ro"), "ro/hello.wav": wav("hello ro"), "ru/secret.wav": wav("embedded"),
		"any/music.wav": wav("music"), "en/only.wav": wav("only en"), "ro/music.wav": wav("music ro"), "en/linked.wav": wav("embedded"),
		"secret.wav": wav("not a language"),
	}
	s := NewSet(embedded, site, map[string]map[string]string{
		"menu":   {"en": "jingle.wav", "ru": secret},
		"gone":   {"en": "gone.wav"},
		"only":   {"en": "gone.wav"},
		"up":     {"en": "../" + filepath.Base(outside) + "/secret.wav"},
		"linked": {"en": "link.wav"},
		"folder": {"en": "ro"},
		"null":   {"en": "/dev/null"},
	})
	for _, row := range []struct{ name, lang, want string }{
		{"menu", "en", "own en"},
		{"menu", "ro", "site ro"},
		{"menu", "ru", "secret"}, // absolute: the administrator's word
		{"menu", "de", "own en"}, // English before silence
		{"hello", "ro", "hello ro"},
		{"hello", "en", "none"},
		{"music", "en", "music"},
		{"music", "ro", "music ro"},
		{"only", "ro", "only en"}, // its own file is gone
		{"gone", "en", "none"},
		{"up", "en", "error"},
		{"linked", "en", "error"},
		{"folder", "en", "error"},
		{"null", "en", "error"},
		{"secret", "ru", "error"}, // ru is a link out of the folder
		{"../ro/menu", "en", "none"},
		{"menu.wav", "en", "none"},
		{"secret", "..", "none"},
		{"secret", "", "none"},
		{"menu", "../en", "own en"},
		{"", "en", "none"},
		{strings.Repeat("x", 1000), "en", "none"},
	} {
		if got := heard(t, s, row.name, row.lang); got != row.want {
			t.Errorf("%q in %q: %s, want %s", row.name, row.lang, got, row.want)
		}
	}
	if got := heard(t, s.WithDefault("ro"), "hello", "en"); got != "hello ro" {
		t.Errorf("tenant's language: %s", got)
	}
	if got := heard(t, NewSet(nil, "", nil), "menu", "en"); got != "none" {
		t.Errorf("empty set: %s", got)
	}
	for _, row := range []struct {
		name, lang string
		want       bool
	}{{"menu", "en", true}, {"menu", "de", false}, {"music", "de", true}, {"hello", "en", false}, {"gone", "en", false}, {"../en/menu", "en", false}} {
		if got := s.Has(row.name, row.lang); got != row.want {
			t.Errorf("Has(%q, %q) = %v", row.name, row.lang, got)
		}
	}
}

func TestKeptComesFirst(t *testing.T) {
	site, kept := t.TempDir(), t.TempDir()
	for file, content := range map[string]string{
		kept + "/ro/menu.wav": "kept", site + "/ro/menu.wav": "site", site + "/ro/only.flac": "site only", site + "/own.wav": "document",
		kept + "/ro/doc.wav": "kept doc", kept + "/any/music.wav": "kept music",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	embedded := fstest.MapFS{"ro/menu.wav": wav("x"), "ro/built.wav": wav("built"), "ro/music.wav": wav("x")}
	s := NewSet(embedded, site, map[string]map[string]string{"doc": {"ro": "own.wav", "en": "own.wav", "ru": site + "/own.wav"}}).WithKept(kept)
	for _, row := range []struct{ name, lang, heard, source string }{
		{"menu", "ro", "kept", SourceKept}, {"only", "ro", "site only", SourceSite}, {"built", "ro", "built", SourceBuiltIn},
		{"doc", "ro", "kept doc", SourceKept}, {"doc", "en", "document", SourceDocument}, {"doc", "ru", "document", SourceDocument},
		{"menu", "fr", "none", ""}, {"music", "ru", "kept music", ""}, {"../menu", "ro", "none", ""},
	} {
		if got := heard(t, s, row.name, row.lang); got != row.heard {
			t.Errorf("%s in %s: %s, want %s", row.name, row.lang, got, row.heard)
		}
		if got := s.Source(row.name, row.lang); got != row.source {
			t.Errorf("%s in %s is from %q, want %q", row.name, row.lang, got, row.source)
		}
	}
	// What is removed lets the next be heard.
	if err := os.Remove(kept + "/ro/menu.wav"); err != nil {
		t.Fatal(err)
	}
	if got := heard(t, s, "menu", "ro"); got != "site" {
		t.Error(got)
	}
}

func TestKeyChangesWithTheFile(t *testing.T) {
	site := t.TempDir()
	file := filepath.Join(site, "a.wav")
	s := NewSet(nil, site, map[string]map[string]string{"a": {"en": "a.wav"}})
	keys := map[string]bool{}
	for _, content := range []string{"one", "longer"} {
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		rc, key, err := s.Open("a", "en")
		if err != nil {
			t.Fatal(err)
		}
		rc.Close()
		keys[key] = true
	}
	if len(keys) != 2 {
		t.Errorf("%v", keys)
	}
}

func TestEmbeddedIsReadable(t *testing.T) {
	if _, err := fs.Stat(Embedded(), "README.md"); err != nil {
		t.Error(err)
	}
}
