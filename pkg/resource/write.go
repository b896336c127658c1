package resource

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// A small YAML writer of our own: the library's writes texts such as "? a"
// without quotes and cannot read them back.

// entry is one key with its value.
type entry struct {
	key   string
	value reflect.Value
}

// entries lists what a struct or map holds: fields in their order without what
// is empty, map keys sorted as people count.
func entries(v reflect.Value) []entry {
	v = deref(v)
	var out []entry
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, opts, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			f := v.Field(i)
			switch {
			case opts == "inline":
				out = append(out, entries(f)...)
			case name == "" || name == "-" || f.IsZero():
			case (f.Kind() == reflect.Map || f.Kind() == reflect.Slice) && f.Len() == 0:
			default:
				out = append(out, entry{name, f})
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			out = append(out, entry{k.String(), v.MapIndex(k)})
		}
		sortEntries(out)
	}
	return out
}

func deref(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return reflect.Value{}
		}
		v = v.Elem()
	}
	return v
}

// writeMapping writes entries as a block; false when there are none.
func writeMapping(b *bytes.Buffer, es []entry, indent int) bool {
	for _, e := range es {
		pad(b, indent)
		b.WriteString(yamlText(e.key))
		b.WriteByte(':')
		writeValue(b, e.value, indent+2)
	}
	return len(es) > 0
}

// writeValue writes what stands behind "key:" or "-", line end included.
func writeValue(b *bytes.Buffer, v reflect.Value, indent int) {
	v = deref(v)
	if !v.IsValid() {
		b.WriteString(" null\n")
		return
	}
	if d, ok := v.Interface().(Duration); ok {
		b.WriteString(" " + shortDuration(d.D()) + "\n")
		return
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		es := entries(v)
		if len(es) == 0 {
			b.WriteString(" {}\n")
			return
		}
		b.WriteByte('\n')
		writeMapping(b, es, indent)
	case reflect.Slice:
		if v.Len() == 0 {
			b.WriteString(" []\n")
			return
		}
		b.WriteByte('\n')
		for i := range v.Len() {
			pad(b, indent)
			b.WriteByte('-')
			// A struct begins on the dash's own line.
			if es := entries(v.Index(i)); len(es) > 0 {
				var item bytes.Buffer
				writeMapping(&item, es, indent+2)
				b.WriteByte(' ')
				b.Write(item.Bytes()[indent+2:])
				continue
			}
			writeValue(b, v.Index(i), indent+2)
		}
	case reflect.String:
		b.WriteString(" " + yamlText(v.String()) + "\n")
	case reflect.Float64, reflect.Float32:
		b.WriteString(" " + floatText(v.Float()) + "\n")
	default:
		fmt.Fprintf(b, " %v\n", v.Interface())
	}
}

func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.ContainsAny(s, ".nI") {
		s += ".0" // stays a float when read again
	}
	return s
}

func pad(b *bytes.Buffer, n int) {
	for range n {
		b.WriteByte(' ')
	}
}

// plain texts need no quotes: they begin with a letter, hold nothing that YAML
// or an older YAML reads otherwise, and are no word that means a value.
var (
	plain    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./@+-]*$`)
	reserved = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

func yamlText(s string) string {
	if plain.MatchString(s) && !reserved.MatchString(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
