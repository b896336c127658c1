package resource

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/config/strict"
)

// Fault is one thing wrong in a document; Faults is all of them, an error with
// one line each.
type (
	Fault  = strict.Fault
	Faults = strict.Faults
)

// Source is where a document was written, kept so that a fault of the whole set
// still tells file, line and column.
type Source struct {
	File   string
	Line   int
	Col    int
	places map[string]strict.Pos
}

// place finds the position of a path of the spec, or of the nearest part above it.
func (s *Source) place(path string) (line, col int) {
	for path != "" {
		if p, ok := s.places[path]; ok {
			return p.Line, p.Col
		}
		path = path[:max(strings.LastIndexByte(path, '.'), strings.LastIndexByte(path, '['), 0)]
	}
	return s.Line, s.Col
}

// MaxDocuments bounds what one ParseYAML call makes, repeats included.
const MaxDocuments = 200_000

// Repeat makes one document stand for many: the text {n} in the name and in
// every text of the spec becomes From, From+1, ... To. It exists only in files:
// the store and an export hold the documents it made.
type Repeat struct {
	From int `yaml:"from" min:"0" max:"9999999"`
	To   int `yaml:"to" min:"0" max:"9999999"`
}

// header is a document without its spec.
type header struct {
	Kind   string         `yaml:"kind"`
	Tenant string         `yaml:"tenant"`
	Name   string         `yaml:"name"`
	Repeat *Repeat        `yaml:"repeat"`
	Spec   map[string]any `yaml:"spec"`
}

// ParseYAML reads every document of r strictly. name is the file's name for
// faults. The error is a Faults with all that is wrong; documents without fault
// are returned beside it so that the whole can still be checked. Passwords and
// other texts are taken as they are written: 0012 stays "0012".
func ParseYAML(r io.Reader, name string) ([]Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, strict.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("resource: read %s: %w", name, err)
	}
	raw, faults := strict.Split(data, name)
	var docs []Document
	seen := map[ref]*Source{}
	for _, rd := range raw {
		made, fs := parseDocument(rd)
		faults = append(faults, fs...)
		for _, d := range made {
			r := ref{d.Kind, d.key()}
			if first := seen[r]; first != nil {
				faults = append(faults, Fault{File: d.Source.File, Line: d.Source.Line, Col: d.Source.Col, Path: label(r),
					Message: fmt.Sprintf("given twice; first on line %d", first.Line)})
				continue
			}
			seen[r] = d.Source
			docs = append(docs, d)
		}
		if len(docs) > MaxDocuments {
			p := rd.Pos()
			faults = append(faults, Fault{File: name, Line: p.Line, Col: p.Col, Message: fmt.Sprintf("more than %d documents", MaxDocuments)})
			break
		}
	}
	faults.Sort()
	return docs, faults.Err()
}

func parseDocument(rd strict.Doc) ([]Document, Faults) {
	var h header
	dec := rd.Decode(&h, strict.Options{})
	// The spec is read below into its own type; here only the header's faults count.
	faults := slices.DeleteFunc(dec.Faults, func(f Fault) bool { return strings.HasPrefix(f.Path, "spec.") })
	at := func(path string) Fault {
		p, ok := dec.Places[path]
		if !ok {
			p = rd.Pos()
		}
		return Fault{File: rd.File, Line: p.Line, Col: p.Col, Path: path}
	}
	add := func(path, format string, args ...any) {
		f := at(path)
		f.Message = fmt.Sprintf(format, args...)
		faults = append(faults, f)
	}
	kinds := make([]string, len(Kinds))
	for i, k := range Kinds {
		kinds[i] = string(k)
	}
	kind := Kind(h.Kind)
	switch {
	case h.Kind == "":
		add("kind", "missing; want one of %s", strings.Join(kinds, ", "))
	case !slices.Contains(Kinds, kind):
		add("kind", "unknown %s; want %s", strict.Quote(h.Kind), strict.Suggest(h.Kind, kinds))
	}
	from, to := 0, 0
	expand := func(int) func(string) string { return nil }
	if h.Repeat != nil {
		from, to = h.Repeat.From, h.Repeat.To
		expand = func(n int) func(string) string {
			num := strconv.Itoa(n)
			return func(s string) string { return strings.ReplaceAll(s, "{n}", num) }
		}
		switch {
		case to < from:
			add("repeat", "to %d is less than from %d", to, from)
		case to-from >= MaxDocuments:
			add("repeat", "makes %d documents; at most %d", to-from+1, MaxDocuments)
		case !strings.Contains(h.Name, "{n}"):
			add("name", "%s holds no {n}; repeat would make the same document again and again", strict.Quote(h.Name))
		}
	}
	first := h.Name
	if e := expand(from); e != nil {
		first = e(first)
	}
	switch {
	case h.Name == "":
		add("name", "missing; want %s", nameRule)
	case !validName(first):
		add("name", "%s; want %s", strict.Quote(h.Name), nameRule)
	}
	switch {
	case kind == KindTenant && h.Tenant != "" && h.Tenant != h.Name:
		add("tenant", "a tenant document has no tenant of its own; leave it out")
	case h.Tenant != "" && !validName(h.Tenant):
		add("tenant", "%s; want %s", strict.Quote(h.Tenant), nameRule)
	}
	spec, ok := newSpec(kind)
	if !ok {
		return nil, faults
	}
	headerOK := len(faults) == 0
	body, hasSpec := rd.Child("spec")
	var docs []Document
	for n := from; n <= to; n++ {
		e := expand(n)
		name := h.Name
		if e != nil {
			name = e(name)
		}
		spec, _ = newSpec(kind)
		src := &Source{File: rd.File, Line: rd.Pos().Line, Col: rd.Pos().Col}
		if hasSpec {
			r := ref{kind, Document{Kind: kind, Tenant: h.Tenant, Name: name}.key()}
			got := body.Decode(spec, strict.Options{Path: label(r) + ": spec.", Expand: e})
			src.places = got.Places
			if len(got.Faults) > 0 {
				// The first of a repeat tells what is wrong with all of them.
				return nil, append(faults, got.Faults...)
			}
		}
		if !headerOK {
			return nil, faults
		}
		if msg := expandRanges(spec); msg != "" {
			add("spec", "%s", msg)
			return nil, faults
		}
		tenant := h.Tenant
		if tenant == "" && kind != KindTenant {
			tenant = DefaultTenant
		}
		if kind == KindTenant {
			tenant = ""
		}
		docs = append(docs, Document{Kind: kind, Tenant: tenant, Name: name, Spec: spec, Source: src})
	}
	return docs, faults
}

// newSpec makes an empty spec of a kind.
func newSpec(k Kind) (any, bool) {
	t, ok := specTypes[k]
	if !ok {
		return nil, false
	}
	return reflect.New(t).Interface(), true
}

var specTypes = map[Kind]reflect.Type{
	KindTenant:          reflect.TypeFor[TenantSpec](),
	KindUser:            reflect.TypeFor[UserSpec](),
	KindDevice:          reflect.TypeFor[DeviceSpec](),
	KindTrunk:           reflect.TypeFor[TrunkSpec](),
	KindSchedule:        reflect.TypeFor[ScheduleSpec](),
	KindSkill:           reflect.TypeFor[SkillSpec](),
	KindPrompt:          reflect.TypeFor[PromptSpec](),
	KindQueue:           reflect.TypeFor[QueueSpec](),
	KindFlow:            reflect.TypeFor[FlowSpec](),
	KindApp:             reflect.TypeFor[AppSpec](),
	KindNumber:          reflect.TypeFor[NumberSpec](),
	KindSecret:          reflect.TypeFor[SecretSpec](),
	KindVoicemail:       reflect.TypeFor[VoicemailSpec](),
	KindCaseType:        reflect.TypeFor[CaseTypeSpec](),
	KindWebhook:         reflect.TypeFor[WebhookSpec](),
	KindDispositionList: reflect.TypeFor[DispositionListSpec](),
	KindScript:          reflect.TypeFor[ScriptSpec](),
}

const nameRule = "lower case letters, digits, - and _, up to 64, beginning with a letter or digit"

// validName keeps names safe in paths, URIs, metrics labels and NATS subjects.
func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' || s[0] == '_' {
		return false
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// label names a document in a fault: queue "sales", or queue "acme/sales".
func label(r ref) string {
	if r.kind == KindTenant || r.key.Tenant == DefaultTenant {
		return fmt.Sprintf("%s %q", r.kind, r.key.Name)
	}
	return fmt.Sprintf("%s %q", r.kind, r.key.String())
}

var rangePattern = regexp.MustCompile(`\{(\d{1,7})\.\.(\d{1,7})\}`)

// expandRanges writes the list entry agent{1..500} out as agent1 ... agent500,
// in the lists of names that can be long.
func expandRanges(spec any) string {
	n, ok := spec.(*NumberSpec)
	if !ok {
		return ""
	}
	var out []string
	for _, d := range n.Devices {
		m := rangePattern.FindStringSubmatchIndex(d)
		if m == nil {
			out = append(out, d)
			continue
		}
		from, _ := strconv.Atoi(d[m[2]:m[3]])
		to, _ := strconv.Atoi(d[m[4]:m[5]])
		if to < from || to-from >= MaxDocuments {
			return fmt.Sprintf("devices: %s; want {from..to} with at most %d names", strict.Quote(d), MaxDocuments)
		}
		for i := from; i <= to; i++ {
			out = append(out, d[:m[0]]+strconv.Itoa(i)+d[m[1]:])
		}
	}
	n.Devices = out
	return ""
}

// D is the plain time.Duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// String writes d so that UnmarshalText reads it again.
func (d Duration) String() string { return time.Duration(d).String() }

// UnmarshalText reads "500ms", "20s", "1h30m", "0". The error says what is allowed.
func (d *Duration) UnmarshalText(text []byte) error {
	x, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%s; want a duration such as "500ms", "20s" or "1h30m"`, strict.Quote(string(text)))
	}
	*d = Duration(x)
	return nil
}

// MarshalText is String without the zero parts: "1m30s", "2h".
func (d Duration) MarshalText() ([]byte, error) { return []byte(shortDuration(time.Duration(d))), nil }

func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// decodeSpec reads one spec that stands alone.
func decodeSpec(text []byte, name string, spec any) Faults {
	docs, faults := strict.Split(text, name)
	if len(faults) > 0 || len(docs) == 0 { // "{}" of an empty spec is a document; nothing at all is one too
		return faults
	}
	return docs[0].Decode(spec, strict.Options{}).Faults
}

// Twice tells documents that have the same name in several files (ParseYAML
// sees one file only).
func Twice(docs []Document) Faults {
	var faults Faults
	seen := map[ref]*Source{}
	for _, d := range docs {
		r := ref{d.Kind, d.key()}
		if first, ok := seen[r]; ok && d.Source != nil && first != nil {
			faults = append(faults, Fault{File: d.Source.File, Line: d.Source.Line, Col: d.Source.Col, Path: label(r),
				Message: fmt.Sprintf("given twice; first in %s on line %d", first.File, first.Line)})
			continue
		}
		seen[r] = d.Source
	}
	return faults
}
