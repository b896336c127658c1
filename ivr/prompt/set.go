package prompt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// ErrNotFound: no file holds the prompt in any language that could be tried.
var ErrNotFound = errors.New("prompt not found")

// AnyLanguage is the folder of audio that is the same in every language.
const AnyLanguage = "any"

// lastResort is spoken when neither the call's nor the tenant's language has a
// prompt: better an English sentence than silence.
const lastResort = "en"

var nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
var langRE = regexp.MustCompile(`^[a-z]{2,3}(-[A-Z]{2})?$`)

// Set finds the audio of prompt names for one tenant. It is never changed and
// may be used by all calls at once.
type Set struct {
	embedded fs.FS
	kept     string
	site     string
	override map[string]map[string]string
	fallback string
}

// NewSet returns a Set that looks, for each language, first into overrides
// (name -> language -> file, absolute or relative to siteDir; from the prompt
// resources), then for siteDir/LANG/NAME.wav, then for LANG/NAME.wav in
// embedded. siteDir may be "" and embedded nil. overrides is kept.
func NewSet(embedded fs.FS, siteDir string, overrides map[string]map[string]string) *Set {
	return &Set{embedded: embedded, site: siteDir, override: overrides, fallback: lastResort}
}

// WithDefault returns the same set with the tenant's default language, which is
// tried before English when the call's own language lacks a prompt.
func (s *Set) WithDefault(lang string) *Set {
	c := *s
	if lang != "" {
		c.fallback = lang
	}
	return &c
}

// WithKept returns the same set with a folder of what people uploaded, recorded by
// phone or had synthesised: LANG/NAME.wav, which comes before all others.
func (s *Set) WithKept(dir string) *Set {
	c := *s
	c.kept = dir
	return &c
}

// Sources of a prompt's audio, in the order they are looked for.
const (
	SourceKept     = "kept"     // uploaded, recorded or synthesised
	SourceDocument = "document" // a file that the prompt resource names
	SourceSite     = "site"     // a file in the site's folder
	SourceBuiltIn  = "built_in"
)

// Source tells where the audio of a prompt in exactly one language comes from, ""
// when there is none.
func (s *Set) Source(name, lang string) string {
	if !nameRE.MatchString(name) {
		return ""
	}
	rc, key, err := s.open(name, lang)
	if err != nil {
		return ""
	}
	rc.Close()
	switch {
	case strings.HasPrefix(key, "embedded:"):
		return SourceBuiltIn
	case s.kept != "" && strings.HasPrefix(key, "site:"+s.kept+string(filepath.Separator)):
		return SourceKept
	case s.override[name][lang] != "" && strings.HasPrefix(key, "site:"+s.override[name][lang]+":"),
		s.override[name][lang] != "" && strings.HasPrefix(key, "site:"+filepath.Join(s.site, s.override[name][lang])+":"):
		return SourceDocument
	}
	return SourceSite
}

// Open opens the audio of a prompt: in lang, else the one for any language,
// else in the tenant's default language, else in English. key names the very
// file, for a cache: it changes when the file is replaced by one of another
// time or size. The error wraps ErrNotFound when there is none; a file that is
// there but cannot be opened is its own error, because an operator meant it.
func (s *Set) Open(name, lang string) (rc io.ReadCloser, key string, err error) {
	if !nameRE.MatchString(name) {
		return nil, "", fmt.Errorf("prompt %q: %w: want lower case letters, digits, - and _", clip(name), ErrNotFound)
	}
	for _, l := range [...]string{lang, AnyLanguage, s.fallback, lastResort} {
		rc, key, err = s.open(name, l)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return rc, key, err
		}
	}
	return nil, "", fmt.Errorf("prompt %q: %w in %q, %q or %q", name, ErrNotFound, clip(lang), s.fallback, lastResort)
}

// Has tells whether a prompt can be heard in lang itself, without falling back
// to another language.
func (s *Set) Has(name, lang string) bool {
	if !nameRE.MatchString(name) {
		return false
	}
	for _, l := range [...]string{lang, AnyLanguage} {
		if rc, _, err := s.open(name, l); err == nil {
			rc.Close()
			return true
		}
	}
	return false
}

// open looks for name in exactly one language.
func (s *Set) open(name, lang string) (io.ReadCloser, string, error) {
	if lang != AnyLanguage && !langRE.MatchString(lang) {
		return nil, "", fs.ErrNotExist
	}
	if s.kept != "" {
		rc, key, err := s.openIn(s.kept, filepath.Join(lang, name+".wav"))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return rc, key, err
		}
	}
	if file := s.override[name][lang]; file != "" {
		rc, key, err := s.openSite(file)
		if err != nil && errors.Is(err, fs.ErrNotExist) {
			// Not a reason to fall silent: the built-in one is still there. The
			// check of the resources tells the operator.
			return s.openBuiltIn(name, lang)
		}
		return rc, key, err
	}
	return s.openBuiltIn(name, lang)
}

// siteFormats are the names a site's own prompts may end in, in the order looked
// for; what they hold is known by their content.
var siteFormats = [...]string{".wav", ".flac", ".opus", ".ogg", ".mp3"}

func (s *Set) openBuiltIn(name, lang string) (io.ReadCloser, string, error) {
	if s.site != "" {
		for _, ext := range siteFormats {
			rc, key, err := s.openSite(filepath.Join(lang, name+ext))
			if err == nil || !errors.Is(err, fs.ErrNotExist) {
				return rc, key, err
			}
		}
	}
	if s.embedded == nil {
		return nil, "", fs.ErrNotExist
	}
	file := path.Join(lang, name+".wav")
	f, err := s.embedded.Open(file)
	if err != nil {
		return nil, "", err
	}
	return f, "embedded:" + file, nil
}

// openSite opens a file of the site.
func (s *Set) openSite(file string) (io.ReadCloser, string, error) { return s.openIn(s.site, file) }

// openIn opens a file. A relative one stays inside dir whatever it names, links
// included (os.Root); an absolute one is what an administrator wrote.
func (s *Set) openIn(dir, file string) (io.ReadCloser, string, error) {
	f, err := fileIn(dir, file)
	if err != nil {
		return nil, "", fmt.Errorf("prompt file %q: %w", clip(file), err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, "", fmt.Errorf("prompt file %q: %w", clip(file), err)
	}
	stamp := strconv.FormatInt(info.ModTime().UnixNano(), 36) + ":" + strconv.FormatInt(info.Size(), 36)
	name := file
	if !filepath.IsAbs(file) {
		name = filepath.Join(dir, file)
	}
	return f, "site:" + name + ":" + stamp, nil
}

func fileIn(dir, file string) (*os.File, error) {
	if filepath.IsAbs(file) {
		// A pipe or a device would block the open; ask before.
		if info, err := os.Stat(file); err != nil {
			return nil, err
		} else if !info.Mode().IsRegular() {
			return nil, errors.New("not a regular file")
		}
		return os.Open(file)
	}
	if dir == "" {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if info, err := root.Stat(file); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return root.Open(file)
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
