package flow

import (
	"maps"
	"slices"
	"strings"

	"github.com/centrala/centrala/ivr/prompt/spoken"
)

// property is what an accessor of object asks a key for; the zero value: anything.
type property struct {
	what      string
	low, high int
}

// recorder writes down what the parser asks for, by path and key: the schema is made of
// the parser itself, so that it cannot say otherwise.
type recorder struct {
	asked map[string]map[string]property
}

func (r *recorder) note(path, key string, p property) {
	if r == nil {
		return
	}
	if r.asked[path] == nil {
		r.asked[path] = map[string]property{}
	}
	if p != (property{}) || r.asked[path][key] == (property{}) {
		r.asked[path][key] = p
	}
}

type mapping = map[string]any

// Schema is the JSON Schema of a flow's spec: configs/schema/flow.json, and within
// resource.json.
func Schema() map[string]any {
	steps := mapping{"note": mapping{"type": "string"}, "next": mapping{"type": "string"}, "on": mapping{"type": "object", "additionalProperties": mapping{"type": "string"}}}
	var one []any
	for _, k := range kinds {
		steps[string(k.name)] = k.schema()
		one = append(one, mapping{"required": []any{string(k.name)}})
	}
	r := &recorder{asked: map[string]map[string]property{}}
	p := &parser{schema: r}
	p.tests([]any{mapping{"expect": mapping{"x": ""}}})
	test := r.object("tests[0]")
	test["properties"].(mapping)["expect"] = r.object("tests[0].expect")
	return mapping{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "Centrala flow: the spec of a document of the kind flow",
		"type":                 "object",
		"additionalProperties": false,
		"required":             []any{"start", "steps"},
		"properties": mapping{
			"description": mapping{"type": "string"},
			"language":    mapping{"type": "string", "pattern": languageRE.String()},
			"start":       mapping{"type": "string"},
			"variables":   mapping{"type": "object", "additionalProperties": mapping{"type": "string"}},
			"tests":       mapping{"type": "array", "maxItems": maxTests, "items": test},
			"steps": mapping{"type": "object", "maxProperties": maxSteps, "propertyNames": mapping{"pattern": nameRE.String()},
				"additionalProperties": mapping{"type": "object", "properties": steps, "additionalProperties": false, "oneOf": one}},
		},
	}
}

// schema is the schema of what stands behind a kind's key: what the parser asks a mapping
// for, and the short forms that it takes.
func (k *kind) schema() map[string]any {
	const at = "x"
	r := &recorder{asked: map[string]map[string]property{}}
	refused := func(v any, what string) bool {
		p := &parser{schema: r}
		k.read(p, at, v)
		return slices.ContainsFunc(p.faults, func(err error) bool {
			f := err.(Fault)
			return f.Path == at && strings.HasPrefix(f.Message, what)
		})
	}
	k.probe(r, at)
	var forms []any
	if !refused(map[string]any{}, "want text") && !refused(map[string]any{}, "want a list") && !refused(map[string]any{}, "want a duration") {
		o := r.object(at)
		if !refused(map[string]any{"other": "x"}, "unknown") && !k.strict() {
			// Names of its own, such as variables: a template, or an expression.
			o["additionalProperties"] = mapping{"anyOf": []any{mapping{"type": "string"},
				mapping{"type": "object", "properties": mapping{"expr": mapping{"type": "string"}}, "required": []any{"expr"}, "additionalProperties": false}}}
		}
		forms = append(forms, o, mapping{"type": "null"})
	}
	if !refused("a", "want a mapping") && !refused("a", "want a list") {
		forms = append(forms, mapping{"type": "string"})
	}
	switch list := []any{map[string]any{}}; {
	case refused(list, "want a mapping"), refused(list, "want text"), refused(list, "want a duration"):
	case r.asked[at+"[0]"] != nil:
		forms = append(forms, mapping{"type": "array", "maxItems": maxList, "items": r.object(at + "[0]")})
	default:
		forms = append(forms, mapping{"type": "array", "maxItems": maxList})
	}
	if len(forms) == 1 {
		return forms[0].(mapping)
	}
	return mapping{"anyOf": forms}
}

// probe reads mappings with one key each, so that what is asked for only beside another
// key is found too.
func (k *kind) probe(r *recorder, at string) {
	read := func(v any) { k.read(&parser{schema: r}, at, v) }
	item := func(m mapping) any { return m }
	listed := func(m mapping) any { return []any{m} }
	for _, form := range []func(mapping) any{item, listed} {
		for range 2 { // keys that a first round has found
			path := at
			if read(form(mapping{})); r.asked[at+"[0]"] != nil {
				path = at + "[0]"
			}
			for key := range maps.Clone(r.asked[path]) {
				for _, v := range []any{"x", mapping{}, []any{mapping{}}} {
					read(form(mapping{key: v}))
				}
			}
		}
	}
}

// strict tells whether a mapping behind the kind's key refuses keys that it does not know.
func (k *kind) strict() bool {
	p := &parser{}
	k.read(p, "x", map[string]any{"no_such_key": "x"})
	return slices.ContainsFunc(p.faults, func(err error) bool { return err.(Fault).Path == "x.no_such_key" })
}

// object is the schema of a mapping at path as it was asked for.
func (r *recorder) object(path string) mapping {
	props := mapping{}
	for key, p := range r.asked[path] {
		props[key] = p.schema()
		if p.what == "objects" {
			props[key] = mapping{"type": "array", "maxItems": maxList, "items": r.object(path + "." + key + "[0]")}
		}
	}
	return mapping{"type": "object", "properties": props, "additionalProperties": false}
}

func (p property) schema() mapping {
	text := mapping{"type": "string"}
	switch p.what {
	case "text":
		return text
	case "boolean":
		return mapping{"type": "boolean"}
	case "integer":
		return mapping{"type": "integer", "minimum": p.low, "maximum": p.high}
	case "duration":
		return mapping{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$`}
	case "texts":
		return mapping{"anyOf": []any{text, mapping{"type": "array", "maxItems": maxList, "items": text}}}
	case "key":
		return mapping{"type": "string", "pattern": `^[0-9*#A-D]?$`}
	case "keys":
		return mapping{"type": "object", "propertyNames": mapping{"pattern": `^[0-9*#A-D]$`}, "additionalProperties": text}
	case "pieces":
		props := mapping{"text": text, "fallback": text, "position": text}
		for _, k := range spoken.Kinds {
			props[string(k)] = text
		}
		piece := mapping{"anyOf": []any{text, mapping{"type": "object", "properties": props, "additionalProperties": false}}}
		return mapping{"anyOf": []any{piece, mapping{"type": "array", "maxItems": maxList, "items": piece}}}
	}
	return mapping{}
}
