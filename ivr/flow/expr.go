package flow

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	exprparser "github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Expr is an expression over the call, compiled once. It is never changed and may be
// evaluated by many calls at once. It has no loops, no assignment and no way outside:
// what one evaluation costs is bounded by its length and that of the values in it.
type Expr struct {
	Text    string
	program *vm.Program
	uses    exprUses
}

// exprUses is what an expression names.
type exprUses struct {
	vars                      []string
	queues, schedules         []string // by constant names
	contact, clock, variables bool
	callerNumber              bool
}

// Env is what expressions see. Secret variables are in no Env.
type Env struct {
	Call     CallEnv                           `expr:"call"`
	Caller   CallerEnv                         `expr:"caller"`
	Vars     map[string]string                 `expr:"vars"`
	Contact  map[string]string                 `expr:"contact"`
	Queue    func(string) (QueueEnv, error)    `expr:"queue"`
	Schedule func(string) (ScheduleEnv, error) `expr:"schedule"`
	Num      func(text string) float64         `expr:"num"`
	Digits   func(text string) string          `expr:"digits"`
	Date     string                            `expr:"date"`    // 2026-11-23
	Time     string                            `expr:"time"`    // 14:05
	Weekday  string                            `expr:"weekday"` // mon
	Year     int                               `expr:"year"`
	Month    int                               `expr:"month"`
	Day      int                               `expr:"day"`
	Hour     int                               `expr:"hour"`
	Minute   int                               `expr:"minute"`
}

// CallEnv is the call itself.
type CallEnv struct {
	ID       string `expr:"id"`
	Dialled  string `expr:"dialled"`
	Tenant   string `expr:"tenant"`
	Language string `expr:"language"`
	Answered bool   `expr:"answered"`
}

// CallerEnv is who calls.
type CallerEnv struct {
	Number string `expr:"number"` // "" when it is not known
	Known  bool   `expr:"known"`
}

// QueueEnv is how a queue stands now.
type QueueEnv struct {
	Waiting       int     `expr:"waiting"`
	ReadyAgents   int     `expr:"ready_agents"`
	LoggedIn      int     `expr:"logged_in"`
	LongestWait   float64 `expr:"longest_wait"`   // seconds
	EstimatedWait float64 `expr:"estimated_wait"` // seconds; -1 = unknown
	ServiceLevel  float64 `expr:"service_level"`  // percent; -1 = unknown
}

// ScheduleEnv is how a schedule stands now.
type ScheduleEnv struct {
	Open    bool   `expr:"open"`
	Holiday bool   `expr:"holiday"`
	Why     string `expr:"why"`  // hours, holiday, calendar, closure
	Name    string `expr:"name"` // of the holiday or closure
}

// Bounds of an expression.
const (
	maxExprNodes  = 200
	maxExprMemory = 10_000 // elements of lists, as the library counts them
)

// exprBuiltins are the library's functions that an expression may call: those whose
// cost is that of their arguments. None takes a function, makes a list or repeats.
var exprBuiltins = []string{"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix", "int", "float", "string", "abs", "min", "max", "round", "floor", "ceil", "indexOf"}

// CompileExpr reads an expression; want is "bool", or "value" for a text, number or
// truth value. The error is for whoever wrote it.
func CompileExpr(text, want string) (*Expr, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("longer than %d bytes", maxText)
	}
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("missing")
	}
	tree, err := exprparser.Parse(text)
	if err != nil {
		return nil, firstLine(err)
	}
	e := &Expr{Text: text}
	w := exprWalker{uses: &e.uses}
	ast.Walk(&tree.Node, &w)
	if w.err != nil {
		return nil, w.err
	}
	options := []expr.Option{expr.Env(Env{}), expr.MaxNodes(maxExprNodes), expr.DisableAllBuiltins()}
	for _, b := range exprBuiltins {
		options = append(options, expr.EnableBuiltin(b))
	}
	if want == "bool" {
		options = append(options, expr.AsBool())
	}
	if e.program, err = expr.Compile(text, options...); err != nil {
		return nil, firstLine(err)
	}
	if t := e.program.Node().Type(); want != "bool" && t != nil {
		switch t.Kind() {
		case reflect.String, reflect.Bool, reflect.Int, reflect.Float64, reflect.Interface:
		default:
			return nil, errors.New("gives neither text, number nor true or false")
		}
	}
	return e, nil
}

func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// exprWalker notes what an expression names, and refuses what could be costly.
type exprWalker struct {
	uses *exprUses
	err  error
}

func (w *exprWalker) refuse(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// Visit implements ast.Visitor.
func (w *exprWalker) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			w.refuse("a list from .. to .. is not allowed; compare with <= and >=")
		case "matches":
			if _, ok := n.Right.(*ast.StringNode); !ok {
				w.refuse("what matches must be written out")
			}
		}
	case *ast.PredicateNode, *ast.VariableDeclaratorNode, *ast.PointerNode, *ast.SequenceNode:
		w.refuse("functions over lists and variables of its own are not allowed")
	case *ast.NilNode:
		w.refuse("nothing here is nil; a variable that was never set is \"\"")
	case *ast.IdentifierNode:
		switch n.Value {
		case "vars":
			w.uses.variables = true
		case "contact":
			w.uses.contact = true
		case "caller":
			w.uses.callerNumber = true
		case "date", "time", "weekday", "year", "month", "day", "hour", "minute":
			w.uses.clock = true
		case "$env":
			w.refuse("unknown name $env")
		}
	case *ast.MemberNode:
		if id, ok := n.Node.(*ast.IdentifierNode); ok && (id.Value == "vars" || id.Value == "contact") {
			name, ok := n.Property.(*ast.StringNode)
			if !ok {
				w.refuse("the name behind %s must be written out", id.Value)
			} else if id.Value == "vars" && !slices.Contains(w.uses.vars, name.Value) {
				w.uses.vars = append(w.uses.vars, name.Value)
			}
		}
	case *ast.CallNode:
		id, ok := n.Callee.(*ast.IdentifierNode)
		if !ok || len(n.Arguments) != 1 {
			return
		}
		if name, ok := n.Arguments[0].(*ast.StringNode); ok {
			switch id.Value {
			case "queue":
				w.uses.queues = append(w.uses.queues, name.Value)
			case "schedule":
				w.uses.schedules = append(w.uses.schedules, name.Value)
			}
		} else if id.Value == "queue" || id.Value == "schedule" {
			w.refuse("the name in %s() must be written out", id.Value)
		}
	}
}

// NeedsClock tells whether e names the date or the time.
func (e *Expr) NeedsClock() bool { return e.uses.clock }

// NeedsVars tells whether e names variables.
func (e *Expr) NeedsVars() bool { return e.uses.variables }

// NeedsContact tells whether e names the contact.
func (e *Expr) NeedsContact() bool { return e.uses.contact }

func (e *Expr) run(env *Env) (any, error) {
	v := vm.VM{MemoryBudget: maxExprMemory}
	out, err := v.Run(e.program, *env)
	if err != nil {
		return nil, fmt.Errorf("the expression %q cannot be worked out: %w", clip(e.Text), firstLine(err))
	}
	return out, nil
}

// Bool evaluates a condition.
func (e *Expr) Bool(env *Env) (bool, error) {
	v, err := e.run(env)
	b, _ := v.(bool)
	return b, err
}

// Value evaluates to a variable's value: true and false, whole numbers without a dot,
// others with as many digits as they need.
func (e *Expr) Value(env *Env) (string, error) {
	v, err := e.run(env)
	if err != nil {
		return "", err
	}
	switch v := v.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "", fmt.Errorf("the expression %q gives no number", clip(e.Text))
		}
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("the expression %q gives neither text, number nor true or false", clip(e.Text))
}

// Number is a text as a number: 0 when it is none.
func Number(text string) float64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

// OnlyDigits is a text without all but its digits.
func OnlyDigits(text string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
}

// expression reads one at path.
func (p *parser) expression(path string, v any, want string) *Expr {
	s, ok := p.text(path, v)
	if !ok {
		return nil
	}
	e, err := CompileExpr(s, want)
	if err != nil {
		p.fault(path, "%v", err)
		return nil
	}
	return e
}

// made is a variable that an expression makes: as free as what is in it.
func (t *traits) made(name string, e *Expr) {
	how, from := setKey, ""
	if e.uses.callerNumber || e.uses.contact {
		how = setFree
	}
	for _, n := range e.uses.vars {
		if how == setKey {
			how = setCopied
		}
		from += "${" + n + "}"
	}
	t.set = append(t.set, setting{name, how, from})
}

// expression tells what an expression names; key is where it is written.
func (t *traits) expression(key string, e *Expr) {
	if e == nil {
		return
	}
	for _, n := range e.uses.vars {
		t.used = append(t.used, use{how: useExpr, path: t.at(key), text: n})
	}
	for _, n := range e.uses.queues {
		t.refers(refSeenQueue, key, n)
	}
	for _, n := range e.uses.schedules {
		t.refers(refSchedule, key, n)
	}
}
