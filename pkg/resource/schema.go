package resource

import (
	"reflect"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Schema is configs/schema/resource.json: the JSON Schema of one resource
// document. describe gives fields their descriptions; nil gives none. specs are the
// schemas of specs that other rooms read (flows).
func Schema(describe func(t reflect.Type, f reflect.StructField) string, specs map[Kind]map[string]any) map[string]any {
	if describe == nil {
		describe = func(reflect.Type, reflect.StructField) string { return "" }
	}
	var kinds, rules []any
	for _, k := range Kinds {
		kinds = append(kinds, string(k))
		spec := specs[k]
		if spec == nil {
			spec = strict.Schema(specTypes[k], describe)
		}
		rules = append(rules, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"kind": map[string]any{"const": string(k)}}},
			"then": map[string]any{"properties": map[string]any{"spec": spec}},
		})
	}
	repeat := strict.Schema(reflect.TypeFor[Repeat](), describe)
	repeat["description"] = "Makes one document for each number from..to; {n} in the name and the texts of the spec becomes the number."
	repeat["required"] = []any{"to"}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id":     "https://github.com/centrala/centrala/configs/schema/resource.json",
		"title":   "Centrala resource document",
		"type":    "object",
		"properties": map[string]any{
			"kind":   map[string]any{"enum": kinds},
			"tenant": map[string]any{"type": "string", "description": "Owner; left out: default."},
			"name":   map[string]any{"type": []any{"string", "number"}, "description": nameRule},
			"repeat": repeat,
			"spec":   map[string]any{"type": []any{"object", "null"}},
		},
		"required":             []any{"kind", "name"},
		"additionalProperties": false,
		"allOf":                rules,
	}
}
