// Package strict reads YAML into Go structs and tells every fault at once:
// unknown keys, wrong types, values out of range, each with file, line, column,
// path, value and what is allowed. It is shared by the node file (pkg/config)
// and the resources (pkg/resource). It reads bytes, never files, and starts
// nothing. A value's Go type and its struct tags say what is allowed:
//
//	yaml:"key"      the key; ",inline" on a map[string]any takes all other keys
//	enum:"a,b"      a string must be one of these ("" only if listed or omitted)
//	min:"…" max:"…" bounds of numbers and durations, written as in the file
//
// Anchors, aliases, merge keys and tags are refused: documents are short, come
// from strangers too, and an alias can blow a kilobyte up to gigabytes.
package strict

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Caps on one input; what is larger is refused before it is parsed.
const (
	MaxBytes = 16 << 20 // one file, all documents
	maxDepth = 64       // nesting; our deepest document has 8
	maxShown = 60       // bytes of a value quoted in a fault
)

// Fault is one thing wrong. Line and Col begin with 1; 0 is unknown.
type Fault struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Path    string `json:"path"` // such as queue "sales": spec.members[2].agent
	Message string `json:"message"`
	// Warning: worth a look, but nothing is refused for it.
	Warning bool `json:"warning,omitempty"`
}

// Error is "file:line:col: path: message".
func (f Fault) Error() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Col)
		}
		b.WriteString(": ")
	}
	if f.Warning {
		b.WriteString("warning: ")
	}
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Message)
	return b.String()
}

// Faults is every fault of an input, in its order; as an error one line each.
type Faults []Fault

func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Err is nil when fs holds no fault that is more than a warning.
func (fs Faults) Err() error {
	for _, f := range fs {
		if !f.Warning {
			return fs
		}
	}
	return nil
}

// Sort orders faults by file, line and column, as a reader meets them.
func (fs Faults) Sort() {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// Pos is a place in a file.
type Pos struct{ Line, Col int }

// Doc is one parsed YAML document.
type Doc struct {
	File string
	node ast.Node
	line int // lines of the file before this document
}

// Split parses every document of data. A document that is no YAML is a fault
// and is left out; the others are still returned, so that all can be checked.
func Split(data []byte, file string) ([]Doc, Faults) {
	if len(data) > MaxBytes {
		return nil, Faults{{File: file, Message: fmt.Sprintf("%d bytes; at most %d are read", len(data), MaxBytes)}}
	}
	var docs []Doc
	var faults Faults
	text := strings.TrimPrefix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\ufeff")
	line := 0
	for text != "" {
		chunk, rest := cutDocument(text)
		node, f := parse(chunk)
		if f != nil {
			f.File = file
			f.Line += line
			faults = append(faults, *f)
		} else if node != nil {
			docs = append(docs, Doc{file, node, line})
		}
		line += strings.Count(chunk, "\n")
		text = rest
	}
	return docs, faults
}

// cutDocument cuts before the next line that is "---" or begins with "--- "
// (YAML 1.2 9.2: at column 0 it ends even a block scalar).
func cutDocument(s string) (doc, rest string) {
	for i := 0; ; {
		nl := strings.IndexByte(s[i:], '\n')
		if nl < 0 {
			return s, ""
		}
		i += nl + 1
		next := s[i:]
		if strings.HasPrefix(next, "---") && (len(next) == 3 || next[3] == '\n' || next[3] == ' ') {
			return s[:i], next
		}
	}
}

func parse(text string) (node ast.Node, fault *Fault) {
	if line, deep := tooDeep(text); deep {
		return nil, &Fault{Line: line, Col: 1, Message: fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	// The parser has been made to panic by noise before; noise must not end a server.
	defer func() {
		if p := recover(); p != nil {
			node, fault = nil, &Fault{Line: 1, Col: 1, Message: "not YAML"}
		}
	}()
	f, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var se *yaml.SyntaxError
		if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
			return nil, &Fault{Line: se.Token.Position.Line, Col: se.Token.Position.Column, Message: "not YAML: " + se.Message}
		}
		return nil, &Fault{Line: 1, Col: 1, Message: "not YAML: " + firstLine(err.Error())}
	}
	for _, d := range f.Docs {
		if d.Body == nil || d.Body.Type() == ast.NullType || d.Body.Type() == ast.CommentType {
			continue
		}
		if node != nil {
			pos := d.Body.GetToken().Position
			return nil, &Fault{Line: pos.Line, Col: pos.Column, Message: "a second document must begin with a line ---"}
		}
		node = d.Body
	}
	return node, nil
}

// tooDeep guards the parser's recursion: it counts open brackets and the
// dashes that open a line, which over-counts text but never by much.
func tooDeep(text string) (line int, deep bool) {
	depth := 0
	line = 1
	dashes, lead := 0, true
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line++
			dashes, lead = 0, true
		case '[', '{':
			if depth++; depth > maxDepth {
				return line, true
			}
			lead = false
		case ']', '}':
			depth = max(0, depth-1)
			lead = false
		case '-', '?':
			if lead {
				if dashes++; dashes > maxDepth {
					return line, true
				}
			}
		case ' ':
		default:
			lead = false
		}
	}
	return 0, false
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// Options change how a Doc is decoded.
type Options struct {
	// Path is put before every path, such as `queue "sales": `.
	Path string
	// Expand changes every text before it is read (keys of maps too); nil leaves all.
	Expand func(string) string
}

// Decoded is what Decode found beside the values.
type Decoded struct {
	Faults Faults
	// Places of every value by path (without Options.Path).
	Places map[string]Pos
}

// Decode reads d into the struct that into points to. What is absent in d
// keeps the value it has.
func (d Doc) Decode(into any, o Options) Decoded {
	dec := &decoder{doc: d, opts: o, places: map[string]Pos{}}
	dec.value(d.node, reflect.ValueOf(into).Elem(), "", "")
	return Decoded{dec.faults, dec.places}
}

// Child returns the node under a key of the document's top mapping as a Doc of
// its own.
func (d Doc) Child(key string) (Doc, bool) {
	for _, mv := range pairs(d.node) {
		if keyText(mv.Key) == key && mv.Value != nil && mv.Value.Type() != ast.NullType {
			return Doc{d.File, mv.Value, d.line}, true
		}
	}
	return Doc{}, false
}

// Pos is where d begins.
func (d Doc) Pos() Pos {
	p := d.node.GetToken().Position
	return Pos{p.Line + d.line, p.Column}
}

type decoder struct {
	doc    Doc
	opts   Options
	faults Faults
	places map[string]Pos
}

func (d *decoder) at(n ast.Node) Pos {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return Pos{t.Position.Line + d.doc.line, t.Position.Column}
	}
	return Pos{}
}

func (d *decoder) fault(n ast.Node, path, format string, args ...any) {
	p := d.at(n)
	d.faults = append(d.faults, Fault{File: d.doc.File, Line: p.Line, Col: p.Col, Path: d.opts.Path + path, Message: fmt.Sprintf(format, args...)})
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// value decodes n into v. tag holds the struct tags of the field v is.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n == nil || n.Type() == ast.NullType {
		return // "key:" with nothing behind it: as if absent
	}
	d.places[path] = d.at(n)
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		d.fault(n, path, "anchors, aliases, merge keys and tags are not read; write the value itself")
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(n, p.Elem(), path, tag)
		v.Set(p)
		return
	}
	if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
		text, ok := d.scalar(n, path, typeWord(v.Type()))
		if !ok {
			return
		}
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			d.fault(n, path, "%v", err)
			return
		}
		d.bounds(n, v, path, tag)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path)
	case reflect.Map:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.sequence(n, v, path, tag)
	case reflect.Interface:
		if x := d.any(n, path, 0); x != nil {
			v.Set(reflect.ValueOf(x))
		}
	case reflect.String:
		if text, ok := d.scalar(n, path, "a text"); ok {
			if msg := checkEnum(tag, text); msg != "" {
				d.fault(n, path, "%s", msg)
				return
			}
			v.SetString(text)
		}
	case reflect.Bool:
		text, ok := d.scalar(n, path, "true or false")
		if !ok {
			return
		}
		switch text {
		case "true", "false":
			v.SetBool(text == "true")
		default:
			d.fault(n, path, "%s; want true or false", quote(text))
		}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64, reflect.Uint32, reflect.Uint16:
		text, ok := d.scalar(n, path, "a whole number")
		if !ok {
			return
		}
		if err := setNumber(v, text); err != nil {
			d.fault(n, path, "%s; want a whole number%s", quote(text), boundsWord(tag))
			return
		}
		d.bounds(n, v, path, tag)
	default:
		panic("strict: no reader for " + v.Type().String()) // a field of our own, found by the first test
	}
}

func setNumber(v reflect.Value, text string) error {
	text = strings.ReplaceAll(text, "_", "")
	if v.CanUint() {
		x, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err == nil {
			v.SetUint(x)
		}
		return err
	}
	x, err := strconv.ParseInt(text, 10, v.Type().Bits())
	if err == nil {
		v.SetInt(x)
	}
	return err
}

// scalar returns the text of a scalar as it was written: `+40...` and `0012`
// stay what they are instead of becoming numbers.
func (d *decoder) scalar(n ast.Node, path, want string) (string, bool) {
	var text string
	switch n := n.(type) {
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.StringNode:
		text = n.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value
	default:
		d.fault(n, path, "%s; want %s", nodeWord(n), want)
		return "", false
	}
	if d.opts.Expand != nil {
		text = d.opts.Expand(text)
	}
	return text, true
}

func (d *decoder) structure(n ast.Node, v reflect.Value, path string) {
	if !isMapping(n) {
		d.fault(n, path, "%s; want keys and values (%s)", nodeWord(n), strings.Join(Keys(v.Type()), ", "))
		return
	}
	seen := map[string]bool{}
	for _, mv := range pairs(n) {
		key := keyText(mv.Key)
		sub := join(path, key)
		if mv.Key.Type() == ast.MergeKeyType {
			d.fault(mv.Key, sub, "anchors, aliases, merge keys and tags are not read; write the value itself")
			continue
		}
		if seen[key] {
			d.fault(mv.Key, sub, "given twice")
			continue
		}
		seen[key] = true
		if f, ok := field(v.Type(), key); ok {
			d.value(mv.Value, v.FieldByIndex(f.Index), sub, f.Tag)
			continue
		}
		if rest, ok := inline(v.Type()); ok {
			m := v.FieldByIndex(rest.Index)
			if m.IsNil() {
				m.Set(reflect.MakeMap(m.Type()))
			}
			d.places[sub] = d.at(mv.Key)
			m.SetMapIndex(reflect.ValueOf(d.expand(key)), anyValue(d.any(mv.Value, sub, 0)))
			continue
		}
		d.fault(mv.Key, sub, "unknown key %s; want %s", quote(key), suggest(key, Keys(v.Type())))
	}
}

func (d *decoder) mapping(n ast.Node, v reflect.Value, path string) {
	if !isMapping(n) {
		d.fault(n, path, "%s; want keys and values", nodeWord(n))
		return
	}
	m := reflect.MakeMap(v.Type())
	for _, mv := range pairs(n) {
		key := d.expand(keyText(mv.Key))
		sub := join(path, key)
		kv := reflect.ValueOf(key).Convert(v.Type().Key())
		if m.MapIndex(kv).IsValid() {
			d.fault(mv.Key, sub, "given twice")
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		before := len(d.faults)
		d.value(mv.Value, e, sub, "")
		if len(d.faults) == before {
			m.SetMapIndex(kv, e)
		}
	}
	v.Set(m)
}

func (d *decoder) sequence(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.fault(n, path, "%s; want a list (- ...)", nodeWord(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values))
	for i, e := range seq.Values {
		d.value(e, s.Index(i), fmt.Sprintf("%s[%d]", path, i), tag)
	}
	v.Set(s)
}

// any reads a tree whose shape another room checks (flows): map[string]any,
// []any, string, int64, float64, bool, nil.
func (d *decoder) any(n ast.Node, path string, depth int) any {
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	d.places[path] = d.at(n)
	if depth > maxDepth {
		d.fault(n, path, "nested deeper than %d", maxDepth)
		return nil
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		out := make([]any, len(n.Values))
		for i, e := range n.Values {
			out[i] = d.any(e, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		return out
	case *ast.MappingNode, *ast.MappingValueNode:
		out := map[string]any{}
		for _, mv := range pairs(n) {
			key := d.expand(keyText(mv.Key))
			sub := join(path, key)
			if _, twice := out[key]; twice {
				d.fault(mv.Key, sub, "given twice")
				continue
			}
			out[key] = d.any(mv.Value, sub, depth+1)
		}
		return out
	case *ast.IntegerNode:
		// A number that would not be written the same again is a text: +40..., 0012, 0x1F.
		text := n.GetToken().Value
		if x, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(x, 10) == text {
			return x
		}
		return d.expand(text)
	case *ast.FloatNode:
		return n.Value
	case *ast.BoolNode:
		return n.Value
	case *ast.StringNode, *ast.LiteralNode, *ast.InfinityNode, *ast.NanNode:
		text, _ := d.scalar(n, path, "a text")
		return text
	}
	d.fault(n, path, "anchors, aliases, merge keys and tags are not read; write the value itself")
	return nil
}

func (d *decoder) expand(s string) string {
	if d.opts.Expand != nil {
		return d.opts.Expand(s)
	}
	return s
}

func anyValue(x any) reflect.Value {
	if x == nil {
		return reflect.Zero(reflect.TypeFor[any]())
	}
	return reflect.ValueOf(x)
}

func (d *decoder) bounds(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if msg := checkBounds(v, tag); msg != "" {
		d.fault(n, path, "%s", msg)
	}
}

func checkBounds(v reflect.Value, tag reflect.StructTag) string {
	lo, hi := tag.Get("min"), tag.Get("max")
	if lo == "" && hi == "" {
		return ""
	}
	limit := func(s string) int64 {
		if isDuration(v.Type()) {
			x, err := time.ParseDuration(s)
			if err != nil {
				panic("strict: bad bound " + s)
			}
			return int64(x)
		}
		x, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			panic("strict: bad bound " + s)
		}
		return x
	}
	x := int64(0)
	if v.CanUint() {
		x = int64(v.Uint())
	} else {
		x = v.Int()
	}
	if lo != "" && x < limit(lo) || hi != "" && x > limit(hi) {
		word := strconv.FormatInt(x, 10)
		if isDuration(v.Type()) {
			word = time.Duration(x).String()
		}
		return word + "; want " + strings.TrimPrefix(boundsWord(tag), " ")
	}
	return ""
}

func boundsWord(tag reflect.StructTag) string {
	lo, hi := tag.Get("min"), tag.Get("max")
	switch {
	case lo != "" && hi != "":
		return " from " + lo + " to " + hi
	case lo != "":
		return " of at least " + lo
	case hi != "":
		return " of at most " + hi
	}
	return ""
}

func checkEnum(tag reflect.StructTag, text string) string {
	enum := tag.Get("enum")
	if enum == "" || slices.Contains(strings.Split(enum, ","), text) {
		return ""
	}
	return fmt.Sprintf("unknown %s; want %s", quote(text), suggest(text, strings.Split(enum, ",")))
}

func isDuration(t reflect.Type) bool {
	return t.Kind() == reflect.Int64 && t.Name() == "Duration"
}

func typeWord(t reflect.Type) string {
	if isDuration(t) {
		return `a duration such as "20s" or "1h30m"`
	}
	return "a text"
}

func isMapping(n ast.Node) bool {
	return n.Type() == ast.MappingType || n.Type() == ast.MappingValueType
}

func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func keyText(k ast.MapKeyNode) string {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value
	case *ast.MappingKeyNode:
		return k.Value.String()
	}
	if t := k.GetToken(); t != nil && t.Type != token.MergeKeyType {
		return t.Value
	}
	return k.String()
}

func nodeWord(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "keys and values"
	case ast.SequenceType:
		return "a list"
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		return "an anchor, alias or tag"
	}
	return quote(n.GetToken().Value)
}

// quote shows a value, cut when long.
func quote(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return strconv.Quote(s)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
