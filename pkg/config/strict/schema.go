package strict

import (
	"reflect"
	"strconv"
	"strings"
)

// durationPattern is what time.ParseDuration reads.
const durationPattern = `^-?(0|([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+)$`

// Schema is the JSON Schema (2020-12) of a type, from the same tags that Decode
// reads. describe gives the description of a struct's field ("" = none); nil
// takes the doc tags. Editors use it; Decode alone decides.
func Schema(t reflect.Type, describe func(t reflect.Type, field reflect.StructField) string) map[string]any {
	if describe == nil {
		describe = func(_ reflect.Type, f reflect.StructField) string { return f.Tag.Get("doc") }
	}
	return schema(t, "", describe)
}

func schema(t reflect.Type, tag reflect.StructTag, describe func(reflect.Type, reflect.StructField) string) map[string]any {
	if t.Kind() == reflect.Pointer {
		return schema(t.Elem(), tag, describe)
	}
	if isDuration(t) {
		return map[string]any{"type": "string", "pattern": durationPattern}
	}
	switch t.Kind() {
	case reflect.String:
		s := map[string]any{"type": []any{"string", "number", "boolean"}} // any scalar is taken as it is written
		if enum := tag.Get("enum"); enum != "" {
			var words []any
			for _, w := range strings.Split(enum, ",") {
				words = append(words, w)
			}
			s = map[string]any{"enum": words}
		}
		return s
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Slice:
		return map[string]any{"type": []any{"array", "null"}, "items": schema(t.Elem(), tag, describe)}
	case reflect.Map:
		return map[string]any{"type": []any{"object", "null"}, "additionalProperties": schema(t.Elem(), "", describe)}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		props := map[string]any{}
		_, open := inline(t)
		for _, key := range Keys(t) {
			f, _ := field(t, key)
			p := schema(f.Type, f.Tag, describe)
			if d := describe(t, f); d != "" {
				p["description"] = d
			}
			if def := f.Tag.Get("default"); def != "" {
				p["default"] = defaultValue(f.Type, def)
			}
			props[key] = p
		}
		return map[string]any{"type": []any{"object", "null"}, "properties": props, "additionalProperties": open}
	}
	s := map[string]any{"type": "integer"}
	if lo, err := strconv.Atoi(tag.Get("min")); err == nil {
		s["minimum"] = lo
	}
	if hi, err := strconv.Atoi(tag.Get("max")); err == nil {
		s["maximum"] = hi
	}
	return s
}

func defaultValue(t reflect.Type, text string) any {
	switch {
	case t.Kind() == reflect.Bool:
		return text == "true"
	case t.Kind() == reflect.Int:
		n, _ := strconv.Atoi(text)
		return n
	}
	return text
}

// Plain returns the document as plain values (map[string]any, []any, ...), as
// a schema sees it.
func (d Doc) Plain() any {
	dec := &decoder{doc: d, places: map[string]Pos{}}
	return dec.any(d.node, "", 0)
}
