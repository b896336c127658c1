package flowcheck

import (
	"strings"
	"testing"

	"github.com/centrala/centrala/pkg/resource"
)

// Prompts of queues are looked for in the languages their callers may have.
func TestPromptsOfQueues(t *testing.T) {
	const docs = `
kind: tenant
name: default
spec: {language: ro}
---
kind: user
name: bob
spec: {roles: [agent]}
---
kind: queue
name: sales
spec: {members: [{agent: bob}], music: jazz, agent_announcement: whisper, announce: [position, "hint after 20s", estimate]}
---
kind: number
name: sales
spec: {digits: "1000", queue: sales, language: ru}
`
	list, err := resource.ParseYAML(strings.NewReader(docs), "")
	if err != nil {
		t.Fatal(err)
	}
	set := resource.NewSet(list)
	audio := map[string]string{"jazz": "ro ru", "whisper": "ro", "hint": ""}
	asked := 0
	check := New(func(string) func(name, lang string) bool {
		asked++
		return func(name, lang string) bool { return strings.Contains(audio[name], lang) }
	}, false)
	var got []string
	for _, f := range resource.Check(set, check) {
		if strings.Contains(f.Message, "no prompt") {
			got = append(got, f.Path+": "+f.Message)
			if !f.Warning {
				t.Errorf("%v is no warning", f)
			}
		}
	}
	want := []string{`queue "sales": agent_announcement: no prompt "whisper" in ru`, `queue "sales": announce[1]: no prompt "hint" in ro`, `queue "sales": announce[1]: no prompt "hint" in ru`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || asked != 1 {
		t.Errorf("asked %d times:\n%s", asked, strings.Join(got, "\n"))
	}
}
