package strict

import (
	"fmt"
	"reflect"
	"strings"
)

// field finds the struct field of a key.
func field(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() && name == key && name != "" && name != "-" && opts != "inline" {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// inline finds the map field that takes all other keys.
func inline(t reflect.Type) (reflect.StructField, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Tag.Get("yaml") == ",inline" && f.Type.Kind() == reflect.Map {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// Keys lists the keys of a struct type in the order of its fields.
func Keys(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if f.IsExported() && name != "" && name != "-" && opts != "inline" {
			keys = append(keys, name)
		}
	}
	return keys
}

// Text sets one value from a text, as an environment variable gives it: lists
// and groups are read as YAML ("[a, b]"), all else as the text itself.
func Text(v reflect.Value, tag reflect.StructTag, file, path, text string) Faults {
	if k := v.Kind(); (k == reflect.Slice || k == reflect.Struct) && !v.Addr().Type().Implements(textUnmarshaler) {
		node, fault := parse(text)
		if fault != nil {
			return Faults{{File: file, Path: path, Message: fault.Message}}
		}
		dec := &decoder{doc: Doc{File: file, node: node}, places: map[string]Pos{}}
		dec.value(node, v, path, tag)
		for i := range dec.faults {
			dec.faults[i].Line, dec.faults[i].Col = 0, 0
		}
		return dec.faults
	}
	fault := func(format string, args ...any) Faults {
		return Faults{{File: file, Path: path, Message: fmt.Sprintf(format, args...)}}
	}
	if u, ok := v.Addr().Interface().(interface{ UnmarshalText([]byte) error }); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fault("%v", err)
		}
	} else {
		switch v.Kind() {
		case reflect.String:
			if msg := checkEnum(tag, text); msg != "" {
				return fault("%s", msg)
			}
			v.SetString(text)
			return nil
		case reflect.Bool:
			if text != "true" && text != "false" {
				return fault("%s; want true or false", quote(text))
			}
			v.SetBool(text == "true")
			return nil
		default:
			if err := setNumber(v, text); err != nil {
				return fault("%s; want a whole number%s", quote(text), boundsWord(tag))
			}
		}
	}
	if msg := checkBounds(v, tag); msg != "" {
		return fault("%s", msg)
	}
	return nil
}

// suggest lists what is allowed, with the nearest first when one is near.
func suggest(got string, allowed []string) string {
	best, bestAt := 3, -1 // a slip of the pen is at most two keys
	for i, a := range allowed {
		if d := distance(got, a); d < best {
			best, bestAt = d, i
		}
	}
	var shown []string
	for _, a := range allowed {
		if a == "" {
			a = `""`
		}
		shown = append(shown, a)
	}
	list := "one of " + strings.Join(shown, ", ")
	if bestAt >= 0 {
		return fmt.Sprintf("%s? (%s)", allowed[bestAt], list)
	}
	return list
}

// Suggest is what a fault says of an unknown word: the nearest allowed one, then all.
func Suggest(got string, allowed []string) string { return suggest(got, allowed) }

// Quote shows a value in a fault, cut when long.
func Quote(s string) string { return quote(s) }

// distance is the edit distance, bounded to short words.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 99
	}
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		diag := prev[0]
		prev[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = prev[j+1]
			prev[j+1] = min(cost, prev[j+1]+1, prev[j]+1)
		}
	}
	return prev[len(b)]
}
