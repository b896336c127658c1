package app_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/rfc.md names tests and files that exist.
func TestRFCTableIsTrue(t *testing.T) {
	doc, err := os.ReadFile("../../docs/rfc.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)`)
	for _, dir := range []string{"pkg", "media", "ivr", "cmd"} {
		err := filepath.WalkDir("../../"+dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			src, err := os.ReadFile(path)
			for _, m := range declared.FindAllSubmatch(src, -1) {
				tests[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)(\\.\\.\\.)?").FindAllStringSubmatch(string(doc), -1) {
		found := tests[m[1]]
		for name := range tests {
			found = found || m[2] != "" && strings.HasPrefix(name, m[1])
		}
		if !found {
			t.Errorf("there is no test %s", m[1])
		}
	}
	for _, m := range regexp.MustCompile("`((?:pkg|media|ivr|cmd)/[a-z0-9_/.]+)`").FindAllStringSubmatch(string(doc), -1) {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// Links between the documents lead somewhere.
func TestLinksOfTheDocuments(t *testing.T) {
	for _, file := range []string{"README.md", "docs/architecture.md", "docs/operations.md", "docs/api.md", "docs/reports.md", "docs/rfc.md"} {
		text, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Error(err)
			continue
		}
		dir := "../../"
		if strings.HasPrefix(file, "docs/") {
			dir += "docs/"
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(dir + m[1]); err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			}
		}
	}
}
