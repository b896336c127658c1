package flow

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// parser collects the faults of one flow; nothing stops at the first.
type parser struct {
	flow   string
	faults []error
	schema *recorder // what is asked for is written down; nil when a document is read
}

func (p *parser) fault(path, format string, args ...any) {
	p.faults = append(p.faults, Fault{clip(p.flow), path, fmt.Sprintf(format, args...)})
}

func (p *parser) err() error { return errors.Join(p.faults...) }

// object is a mapping being read strictly: a key nobody asked for is a fault.
type object struct {
	p    *parser
	path string
	keys []string // as written when known, else sorted
	m    map[string]any
	used map[string]bool
	want []string // every key asked for, for the fault about unknown ones
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// object reads v as a mapping. ok is false (and a fault told) when it is none.
func (p *parser) object(path string, v any) (*object, bool) {
	o := &object{p: p, path: path, m: map[string]any{}, used: map[string]bool{}}
	switch m := v.(type) {
	case nil: // "answer:" with nothing behind it
		return o, true
	case map[string]any:
		for k, v := range m {
			o.keys, o.m[k] = append(o.keys, k), v
		}
		sort.Strings(o.keys)
	case map[any]any:
		for k, v := range m {
			k := fmt.Sprint(k)
			o.keys, o.m[k] = append(o.keys, k), v
		}
		sort.Strings(o.keys)
	case yaml.MapSlice:
		for _, item := range m {
			k := fmt.Sprint(item.Key)
			o.keys, o.m[k] = append(o.keys, k), item.Value
		}
	default:
		p.fault(path, "want a mapping (key: value), got %s", describe(v))
		return o, false
	}
	return o, true
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return fmt.Sprintf("the text %q", clip(v))
	case bool:
		return fmt.Sprint(v)
	case []any:
		return "a list"
	case map[string]any, map[any]any, yaml.MapSlice:
		return "a mapping"
	default:
		return fmt.Sprintf("the number %v", v)
	}
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "..."
	}
	return s
}

func (o *object) take(key string) (any, bool) {
	o.want = append(o.want, key)
	o.used[key] = true
	o.p.schema.note(o.path, key, property{})
	v, ok := o.m[key]
	return v, ok
}

// end tells the keys that nobody asked for.
func (o *object) end() {
	sort.Strings(o.want)
	for _, k := range o.keys {
		if !o.used[k] {
			o.p.fault(join(o.path, clip(k)), "unknown; want one of %s", strings.Join(slices.Compact(o.want), ", "))
		}
	}
}

func (o *object) str(key, fallback string) string {
	v, ok := o.take(key)
	o.p.schema.note(o.path, key, property{what: "text"})
	if !ok {
		return fallback
	}
	s, ok := o.p.text(join(o.path, key), v)
	if !ok {
		return fallback
	}
	return s
}

// text is a string; numbers are refused because YAML has eaten their leading
// zeros and plus signs by now.
func (p *parser) text(path string, v any) (string, bool) {
	s, ok := v.(string)
	if !ok {
		hint := ""
		if what := describe(v); strings.HasPrefix(what, "the number") || what == "true" || what == "false" {
			hint = "; put it in quotes"
		}
		p.fault(path, "want text, got %s%s", describe(v), hint)
		return "", false
	}
	if len(s) > maxText {
		p.fault(path, "longer than %d bytes", maxText)
		return "", false
	}
	return s, true
}

func (o *object) boolean(key string, fallback bool) bool {
	v, ok := o.take(key)
	o.p.schema.note(o.path, key, property{what: "boolean"})
	if !ok {
		return fallback
	}
	b, ok := v.(bool)
	if !ok {
		o.p.fault(join(o.path, key), "want true or false, got %s", describe(v))
		return fallback
	}
	return b
}

func (o *object) integer(key string, fallback, low, high int) int {
	v, ok := o.take(key)
	o.p.schema.note(o.path, key, property{"integer", low, high})
	if !ok {
		return fallback
	}
	return o.p.integer(join(o.path, key), v, fallback, low, high)
}

func (p *parser) integer(path string, v any, fallback, low, high int) int {
	n, ok := 0, true
	switch v := v.(type) {
	case int:
		n = v
	case int64:
		n = int(v)
	case uint64:
		n, ok = int(v), v < 1<<31
	case float64: // JSON has no other numbers
		n = int(v)
		ok = float64(n) == v
	default:
		ok = false
	}
	if !ok || n < low || n > high {
		p.fault(path, "want a whole number from %d to %d, got %s", low, high, describe(v))
		return fallback
	}
	return n
}

func (o *object) duration(key string, fallback, low, high time.Duration) time.Duration {
	v, ok := o.take(key)
	o.p.schema.note(o.path, key, property{what: "duration"})
	if !ok {
		return fallback
	}
	return o.p.duration(join(o.path, key), v, fallback, low, high)
}

func (p *parser) duration(path string, v any, fallback, low, high time.Duration) time.Duration {
	if s, ok := v.(string); ok {
		if d, err := time.ParseDuration(s); err == nil && d >= low && d <= high {
			return d
		}
	}
	p.fault(path, "want a duration from %s to %s such as 5s or 1m30s, got %s", low, high, describe(v))
	return fallback
}

func (p *parser) list(path string, v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		if len(v) > maxList {
			p.fault(path, "more than %d entries", maxList)
			return v[:maxList]
		}
		return v
	default:
		return []any{v} // one entry may stand without its list
	}
}

func (o *object) strings(key string) []string {
	v, ok := o.take(key)
	o.p.schema.note(o.path, key, property{what: "texts"})
	if !ok {
		return nil
	}
	var out []string
	for i, e := range o.p.list(join(o.path, key), v) {
		if s, ok := o.p.text(fmt.Sprintf("%s[%d]", join(o.path, key), i), e); ok {
			out = append(out, s)
		}
	}
	return out
}

// pattern is a regular expression that must match the whole value.
func (p *parser) pattern(path, s string) *regexp.Regexp {
	if len(s) > maxPattern {
		p.fault(path, "pattern longer than %d bytes", maxPattern)
		return nil
	}
	re, err := regexp.Compile(`^(?:` + s + `)$`)
	if err != nil {
		// Compile names our wrapped form: check the bare one for the message.
		if _, bare := regexp.Compile(s); bare != nil {
			err = bare
		}
		p.fault(path, "not a regular expression: %v", err)
		return nil
	}
	return re
}

// key is one key of a phone.
func (p *parser) key(path, s string) (byte, bool) {
	if len(s) == 1 && strings.IndexByte("0123456789*#ABCD", s[0]) >= 0 {
		return s[0], true
	}
	p.fault(path, "%q is no key; want one of 0-9, *, #, A-D (in quotes)", clip(s))
	return 0, false
}

func (o *object) key(name string, fallback byte) byte {
	v, ok := o.take(name)
	o.p.schema.note(o.path, name, property{what: "key"})
	if !ok {
		return fallback
	}
	if s, ok := v.(string); ok && s == "" {
		return 0
	}
	s, ok := o.p.text(join(o.path, name), v)
	if !ok {
		return fallback
	}
	k, _ := o.p.key(join(o.path, name), s)
	return k
}

// template is a text in which ${name} stands for a variable.
func (o *object) template(key string) string {
	s := o.str(key, "")
	if v, there := o.m[key]; there && v == "" {
		o.p.fault(join(o.path, key), "missing")
	}
	o.p.templateText(join(o.path, key), s)
	return s
}

func (p *parser) templateText(path, s string) {
	switch kinds, err := kindsOf(s); {
	case err != nil:
		p.fault(path, "%v", err)
	case len(kinds) > 0:
		p.fault(path, "only a text that is spoken says how (${name:%s}); want ${name}", clip(kinds[0]))
	}
}
