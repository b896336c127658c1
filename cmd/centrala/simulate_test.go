package main

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/acd/sim"
)

var update = flag.Bool("update", false, "write the outputs into docs/simulate.md")

// TestSimulateExamples runs docs/simulate.md: blocks that begin with "# file: NAME"
// are files; in console blocks each line that begins with "$ centrala" is run there,
// and what stands below it is what it prints.
func TestSimulateExamples(t *testing.T) {
	const doc = "../../docs/simulate.md"
	page, err := filepath.Abs(doc)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	files, ran := 0, 0
	got := regexp.MustCompile("(?ms)^```(yaml|csv|console)\n(.*?)^```$").ReplaceAllStringFunc(string(text), func(block string) string {
		kind, body, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(block, "```"), "```"), "\n")
		if kind != "console" {
			head, rest, _ := strings.Cut(body, "\n")
			name, ok := strings.CutPrefix(head, "# file: ")
			if !ok {
				t.Errorf("a block of %s without a file", kind)
				return block
			}
			files++
			write(t, ".", name, rest)
			return block
		}
		var out strings.Builder
		for _, l := range strings.Split(body, "\n") {
			args, ok := strings.CutPrefix(l, "$ centrala ")
			if !ok {
				continue
			}
			ran++
			code, printed, errOut := command(strings.Fields(args)...)
			if code != exitOK {
				t.Errorf("%s: exit %d\n%s", l, code, errOut)
			}
			for _, p := range strings.Split(strings.TrimSuffix(printed, "\n"), "\n") {
				l += "\n" + strings.TrimRight(p, " ")
			}
			out.WriteString(l + "\n")
		}
		return "```console\n" + out.String() + "```"
	})
	if files < 5 || ran < 5 {
		t.Errorf("%d files and %d commands found in the page", files, ran)
	}
	if got == string(text) {
		return
	}
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	was, is := strings.Split(string(text), "\n"), strings.Split(got, "\n")
	for i := range is {
		if i >= len(was) || was[i] != is[i] {
			t.Fatalf("docs/simulate.md:%d is not what the program prints; go test ./cmd/centrala -run SimulateExamples -update\nprinted: %s", i+1, is[i])
		}
	}
}

// TestSimulateKeys: docs/simulate.md names every key of a scenario and of a result.
func TestSimulateKeys(t *testing.T) {
	doc, err := os.ReadFile("../../docs/simulate.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(ty reflect.Type)
	walk = func(ty reflect.Type) {
		for ty.Kind() == reflect.Pointer || ty.Kind() == reflect.Slice || ty.Kind() == reflect.Map {
			ty = ty.Elem()
		}
		if ty.Kind() != reflect.Struct || seen[ty] || !strings.HasSuffix(ty.PkgPath(), "/acd/sim") {
			return
		}
		seen[ty] = true
		for i := range ty.NumField() {
			f := ty.Field(i)
			if !f.IsExported() {
				continue
			}
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if key != "" && !f.Anonymous && !strings.Contains(string(doc), "`"+key+"`") && !strings.Contains(string(doc), "`"+key+":") && !strings.Contains(string(doc), `"`+key+`"`) {
				t.Errorf("docs/simulate.md lacks `%s` of %s", key, ty)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[sim.Scenario]())
	walk(reflect.TypeFor[sim.Comparison]())
	if len(seen) < 12 {
		t.Errorf("only %d types seen", len(seen))
	}
}

// What is wrong with a command line or a scenario is said.
func TestSimulateFaults(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name, text string
		say        string
	}{
		{"key.yaml", "lenght: 8h\n", "lenght"},
		{"dist.yaml", "length: 1h\nstreams: [{queue: q, calls: [1], talk: poisson 3m}]\n", "poisson 3m"},
		{"talk.yaml", "length: 1h\nstreams: [{queue: q, calls: [1]}]\n", "talk is not said"},
		{"many.yaml", "length: 8000h\nstreams: [{queue: q, calls: [100000], talk: 3m}]\n", "at most 2000000"},
		{"need.yaml", "calls: [{at: 0s, queue: q, talk: 1m, need: 'ro >>'}]\n", "need"},
		{"span.yaml", "calls: [{at: 0s, queue: q, talk: 1m}]\nshifts: [{agents: [a], from: 2h, to: 1h}]\n", "ends before it begins"},
		{"cols.csv", "at,quue\n0s,q\n", "quue"},
		{"time.csv", "at,queue,talk\n0s,q,3\n", "line 2"},
	} {
		if code, out, errOut := command("simulate", write(t, dir, row.name, row.text)); code != exitFailed || !strings.Contains(out+errOut, row.say) {
			t.Errorf("%s: exit %d, want %q in\n%s%s", row.name, code, row.say, out, errOut)
		}
	}
	nobody := filepath.Join(dir, "nobody")
	for _, args := range [][]string{{"simulate", "--day", "yesterday", "--data", nobody}, {"apply", "--simulate", "yesterday", "--data", nobody, write(t, dir, "q.yaml", "kind: queue\nname: q\nspec: {members: [{agent: a}]}\n")}} {
		if code, out, errOut := command(args...); code != exitNoServer || !strings.Contains(errOut, "not running") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
	}
	if _, err := os.Stat(nobody); err == nil {
		t.Error("a data folder was made")
	}
	for _, args := range [][]string{{"simulate"}, {"simulate", "x.yaml", "--day", "today"}, {"staff", "--calls", "10", "--aht", "3m", "--service-level", "80"},
		{"staff", "--calls", "10", "--aht", "3m", "--shrinkage", "100%"}, {"staff", "--calls", "10", "--aht", "-3m"}, {"apply", "--simulate", "today", "-"}} {
		if code, out, errOut := command(args...); code != exitUsage {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errOut)
		}
	}
}
