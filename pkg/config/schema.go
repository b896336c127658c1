package config

import (
	"reflect"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Schema is configs/schema/node.json: the JSON Schema of the node file.
func Schema() map[string]any {
	s := strict.Schema(reflect.TypeFor[Config](), nil)
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "https://github.com/centrala/centrala/configs/schema/node.json"
	s["title"] = "Centrala node file"
	return s
}
