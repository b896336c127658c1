package flow

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// KindSurvey asks questions whose answers are kept.
const KindSurvey Kind = "survey"

// QuestionKind says how a question of a survey is answered.
type QuestionKind string

// The kinds of questions.
const (
	QuestionScale  QuestionKind = "scale"  // a number from Low to High
	QuestionChoice QuestionKind = "choice" // one of several, by key
	QuestionYesNo  QuestionKind = "yes_no" // "yes" or "no"
	QuestionRecord QuestionKind = "record" // spoken, into a recording
)

// QuestionKinds in the order of the documentation.
var QuestionKinds = []QuestionKind{QuestionScale, QuestionChoice, QuestionYesNo, QuestionRecord}

// Survey asks questions one after the other.
type Survey struct {
	Name      string // under which the answers are kept; "" = the flow's
	Questions []Question
}

// Question is one of a survey.
type Question struct {
	Name      string // of the answer, and of the variable that takes it
	Kind      QuestionKind
	Prompts   []Piece
	Low, High int             // of a scale, 0 to 10
	Keys      map[byte]string // of choice and yes_no: the answer behind each key
	Message                   // of record
	Optional  bool            // may be left out: by the key *, or without any
	Timeout   time.Duration   // for a key, from the end of the prompts
	Retries   int             // times asked again
	NoInput   []Piece         // before asking again; also after a recording without a voice
	Invalid   []Piece         // before asking again, after a key that is no answer
	Speech    *Speech         // answered by voice too; nil = by keys alone
}

// Bounds of surveys.
const (
	maxQuestions = 50
	maxScale     = 10
)

// survey is {name, questions}, or the list of questions.
func (p *parser) survey(path string, v any) Body {
	if list, ok := v.([]any); ok {
		v = map[string]any{"questions": list}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &Survey{}
	}
	b := &Survey{Name: o.str("name", "")}
	list, there := o.take("questions")
	p.schema.note(path, "questions", property{what: "objects"})
	o.end()
	if b.Name != "" && !nameRE.MatchString(b.Name) {
		p.fault(join(path, "name"), "%q; want lower case letters, digits, - and _, up to 64", clip(b.Name))
	}
	at := join(path, "questions")
	questions := p.list(at, list)
	switch {
	case !there || len(questions) == 0:
		p.fault(at, "missing; a survey needs at least one question")
	case len(questions) > maxQuestions:
		p.fault(at, "more than %d questions", maxQuestions)
		questions = questions[:maxQuestions]
	}
	names := map[string]bool{}
	for i, raw := range questions {
		path := fmt.Sprintf("%s[%d]", at, i)
		q, ok := p.question(path, raw)
		if !ok {
			continue
		}
		if names[q.Name] {
			p.fault(join(path, "name"), "%q is the name of another question", clip(q.Name))
		}
		names[q.Name] = true
		b.Questions = append(b.Questions, q)
	}
	return b
}

func (p *parser) question(path string, v any) (Question, bool) {
	o, ok := p.object(path, v)
	if !ok {
		return Question{}, false
	}
	q := Question{
		Name:     p.need(o, "name"),
		Prompts:  p.pieces(o, "prompts", true),
		Optional: o.boolean("optional", false),
		Timeout:  o.duration("timeout", defaultTimeout, 500*time.Millisecond, 5*time.Minute),
		Retries:  o.integer("retries", defaultRetries, 0, 20),
		NoInput:  p.pieces(o, "no_input", false),
		Invalid:  p.pieces(o, "invalid", false),
	}
	if q.Name != "" {
		p.variable(join(path, "name"), q.Name)
	}
	var kinds []string
	for _, k := range QuestionKinds {
		v, there := o.take(string(k))
		if !there {
			continue
		}
		q.Kind = k
		kinds = append(kinds, string(k))
		p.answerKind(&q, join(path, string(k)), v)
	}
	if len(kinds) != 1 {
		p.fault(path, "want one of scale, choice, yes_no and record, got %d (%s)", len(kinds), strings.Join(kinds, ", "))
	}
	q.Speech = p.questionSpeech(o, &q)
	o.end()
	return q, true
}

// answerKind reads what stands behind the key of a question's kind.
func (p *parser) answerKind(q *Question, path string, v any) {
	switch q.Kind {
	case QuestionScale:
		s, ok := p.text(path, v)
		if !ok {
			return
		}
		low, high, found := strings.Cut(s, "-")
		a, err := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if !found || err != nil || err2 != nil || a < 0 || a >= b || b > maxScale {
			p.fault(path, `want two numbers from 0 to %d such as "1-5", got %q`, maxScale, clip(s))
			return
		}
		q.Low, q.High = a, b
	case QuestionChoice:
		o, ok := p.object(path, v)
		if !ok {
			return
		}
		q.Keys = map[byte]string{}
		for _, k := range o.keys {
			at := join(path, clip(k))
			key, ok := p.key(at, k)
			name, isText := p.text(at, o.m[k])
			switch {
			case !ok || !isText:
			case name == "":
				p.fault(at, "missing; want the answer that is kept")
			case len(name) > maxAnswer:
				p.fault(at, "longer than %d bytes", maxAnswer)
			default:
				q.Keys[key] = name
			}
		}
		if len(o.keys) == 0 {
			p.fault(path, "missing; want keys and the answers that are kept")
		}
	case QuestionYesNo:
		o, ok := p.object(path, v)
		if !ok {
			return
		}
		yes, no := o.key("yes", '1'), o.key("no", '2')
		o.end()
		if yes == no || yes == 0 || no == 0 {
			p.fault(path, "yes and no want a key each")
		}
		q.Keys = map[byte]string{yes: "yes", no: "no"}
	case QuestionRecord:
		o, ok := p.object(path, v)
		if !ok {
			return
		}
		q.Message = p.message(o)
		o.end()
		if q.Min >= q.Max {
			p.fault(join(path, "min"), "%s is not less than max %s", q.Min, q.Max)
		}
	}
	if q.Optional && q.Keys['*'] != "" {
		p.fault(path, "the key * leaves out an optional question")
	}
}

// maxAnswer is the longest answer of a choice, in bytes: it is a label of figures.
const maxAnswer = 64

// questionSpeech reads the key speech of a question; phrases stand for keys.
func (p *parser) questionSpeech(o *object, q *Question) *Speech {
	keys := map[byte]string{}
	for k := range q.Keys {
		keys[k] = "answer"
	}
	for n := q.Low; q.Kind == QuestionScale && n <= min(q.High, 9); n++ {
		keys['0'+byte(n)] = "answer"
	}
	if m, ok := (&parser{}).object("", o.m["speech"]); ok && q.Kind == QuestionScale && m.m["phrases"] == nil {
		keys = nil // the digits that were said
	}
	s := p.speech(o, keys)
	if s != nil && q.Kind == QuestionRecord {
		p.fault(join(o.path, "speech"), "what is said is recorded")
	}
	return s
}

// Answer is the answer behind a key; false: it is none.
func (q *Question) Answer(key byte) (string, bool) {
	if q.Kind == QuestionScale {
		n := int(key) - '0'
		return string(rune(key)), n >= 0 && n <= 9 && n >= q.Low && n <= q.High
	}
	v, ok := q.Keys[key]
	return v, ok
}

// Said is the answer that was said; false: it is none, or not sure.
func (q *Question) Said(h Heard) (string, bool) {
	if !q.Speech.Sure(h) {
		return "", false
	}
	keys := map[byte]string{}
	for k := range q.Keys {
		keys[k] = "answer"
	}
	if key := q.Speech.Key(h, keys); key != 0 {
		return q.Answer(key)
	}
	if q.Kind != QuestionScale {
		return "", false
	}
	n, err := strconv.Atoi(h.Digits())
	return strconv.Itoa(n), err == nil && n >= q.Low && n <= q.High
}

// Ten tells whether the key 1 may be the beginning of ten.
func (q *Question) Ten() bool { return q.Kind == QuestionScale && q.High == maxScale }

func (b *Survey) tell(_ *Step, t *traits) {
	t.waits = true
	for i := range b.Questions {
		q := &b.Questions[i]
		t.sets(q.Name, setKey)
		if q.Speech != nil {
			t.sets(q.Speech.Into, setFree)
		}
	}
	n := len(t.used)
	for i := range b.Questions {
		q, at := &b.Questions[i], fmt.Sprintf("questions[%d].", i)
		t.pieces(at+"prompts", q.Prompts)
		t.pieces(at+"no_input", q.NoInput)
		t.pieces(at+"invalid", q.Invalid)
	}
	for i := n; i < len(t.used); i++ {
		t.used[i].own = true // an answer may be spoken by a later question
	}
}

// Surveys lists the surveys of a flow by the names of their answers, in the order of
// its steps.
func (f *Flow) Surveys() []Survey {
	var out []Survey
	for _, name := range f.Order {
		if b, ok := f.Steps[name].Body.(*Survey); ok {
			out = append(out, Survey{Name: b.Of(f.Name), Questions: b.Questions})
		}
	}
	return out
}

// Of is the name under which the answers are kept, in the flow of that name.
func (b *Survey) Of(flow string) string {
	if b.Name != "" {
		return b.Name
	}
	return flow
}
