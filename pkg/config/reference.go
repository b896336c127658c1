package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
)

// Reference is docs/config.md: every key with its type, default, bounds and
// environment variable, made from the tags of Config.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# The node file

` + "`centrala.yaml`" + ` says what one process listens on, where it keeps things and how much it takes.
Users, queues, flows and the like are resources and are not here. The file is read strictly: ` + "`centrala check`" + ` tells all
faults at once. Every key may be left out. Each has an environment variable that overrides it; lists are written there as
YAML (` + "`[a, b]`" + `). Durations are written ` + "`500ms`, `20s`, `1h30m`" + `. *live*: SIGHUP applies a change; others want a restart.

This page is generated from the source; a test keeps it current.
`)
	section(&b, reflect.ValueOf(Default()).Elem(), "", false)
	return b.String()
}

func section(b *strings.Builder, v reflect.Value, path string, live bool) {
	table := false
	var later []func()
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
		elem := f.Type
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		if elem.Kind() == reflect.Struct {
			title := sub
			value := reflect.New(elem).Elem()
			if f.Type.Kind() == reflect.Slice {
				title += "[]"
			} else {
				value = v.Field(i)
			}
			later = append(later, func() {
				fmt.Fprintf(b, "\n## %s\n%s\n", title, f.Tag.Get("doc"))
				section(b, value, title, alive)
			})
			continue
		}
		if !table {
			b.WriteString("\n| key | type | default | environment | |\n|---|---|---|---|---|\n")
			table = true
		}
		doc := f.Tag.Get("doc")
		if alive {
			doc += " *live*"
		}
		env := "`" + (leaf{path: sub}).env() + "`"
		if strings.Contains(sub, "[]") {
			env = ""
		}
		def := cmp.Or(f.Tag.Get("default"), `""`)
		if f.Type.Kind() == reflect.Slice {
			def = "[]"
		}
		fmt.Fprintf(b, "| `%s` | %s | `%s` | %s | %s |\n", sub, typeWord(f), def, env, doc)
	}
	for _, w := range later {
		w()
	}
}

func typeWord(f reflect.StructField) string {
	t := f.Type
	word := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "true or false", reflect.Int: "number", reflect.Slice: "list"}[t.Kind()]
	if t == reflect.TypeFor[Duration]() {
		word = "duration"
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		word = strings.ReplaceAll(enum, ",", ", ")
	}
	if lo := f.Tag.Get("min"); lo != "" {
		word += " " + lo + " to " + f.Tag.Get("max")
	}
	return word
}
