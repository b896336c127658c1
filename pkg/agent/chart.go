package agent

import (
	"fmt"
	"strings"
)

// Chart writes the machine as a Markdown page with a Mermaid diagram, made
// from the table. docs/states/agent.md is this text.
func Chart() string {
	var b strings.Builder
	b.WriteString("# Agent states\n\n")
	b.WriteString("Generated from the table in `pkg/agent` (`go test ./pkg/agent -update`); do not edit.\n\n")
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> offline\n")
	for _, t := range transitions {
		if t.from == t.to {
			continue // the table below has them; the picture stays readable
		}
		fmt.Fprintf(&b, "    %s --> %s: %s%s\n", t.from, t.to, t.ev, bracket(guardWords[t.when]))
	}
	b.WriteString("```\n\n## Transitions\n\nRows of one state and event are tried from the top.\n\n")
	b.WriteString("| state | event | when | next | note |\n|---|---|---|---|---|\n")
	for _, t := range transitions {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", t.from, t.ev, guardWords[t.when], t.to, actionWords[t.do])
	}
	b.WriteString("\n## Passed over\n\nNothing changes. *refused* is told to the person who asked. Any pair in neither list is a fault: counted, warned of, state unchanged.\n\n")
	b.WriteString("| state | event | taken as | why |\n|---|---|---|---|\n")
	for _, p := range passes {
		word := "ignored"
		if p.verdict == Refused {
			word = "refused"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", p.from, p.ev, word, p.why)
	}
	return b.String()
}

func bracket(s string) string {
	if s == "" {
		return ""
	}
	return " [" + s + "]"
}
