package resource

import (
	"strings"
	"testing"
)

func TestAlarms(t *testing.T) {
	for spec, want := range map[string]string{
		"{waiting: 5, longest_wait: 60s, service_level: 80, ready: 1, after: 10s}": "",
		"{}":                     "",
		"{waiting: -1}":          "alarms.waiting",
		"{service_level: 101}":   "alarms.service_level",
		"{ready: -2}":            "alarms.ready",
		"{longest_wait: 25h}":    "alarms.longest_wait",
		"{after: 61m}":           "alarms.after",
		"{sevice_level: 80}":     "sevice_level",
		"{longest_wait: 1 week}": "longest_wait",
	} {
		docs, err := ParseYAML(strings.NewReader("kind: queue\nname: sales\nspec: {alarms: "+spec+"}\n"), "t.yaml")
		if err == nil {
			err = Errors(Check(Merge(NewSet(nil), docs, false), nil))
		}
		told := ""
		if err != nil {
			told = err.Error()
		}
		if want == "" && told != "" || want != "" && !strings.Contains(told, want) {
			t.Errorf("%s: %q, want %q", spec, told, want)
		}
	}
}
