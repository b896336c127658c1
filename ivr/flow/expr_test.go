package flow

import (
	"errors"
	"strings"
	"testing"
)

func exprEnv() *Env {
	return &Env{
		Call: CallEnv{ID: "c1", Dialled: "1000", Language: "ro"}, Caller: CallerEnv{Number: "+37360123456", Known: true},
		Vars: map[string]string{"balance": "12.50", "name": "Ana"}, Contact: map[string]string{"vip": "yes"},
		Queue: func(n string) (QueueEnv, error) {
			if n != "sales" {
				return QueueEnv{}, errors.New("nothing is known of it")
			}
			return QueueEnv{Waiting: 3, ReadyAgents: 0, EstimatedWait: -1}, nil
		},
		Schedule: func(string) (ScheduleEnv, error) { return ScheduleEnv{Open: true}, nil },
		Num:      Number, Digits: OnlyDigits,
		Date: "2026-11-23", Time: "14:05", Weekday: "mon", Year: 2026, Month: 11, Day: 23, Hour: 14, Minute: 5,
	}
}

func TestExpressions(t *testing.T) {
	for text, want := range map[string]string{
		`queue("sales").ready_agents == 0 && queue("sales").waiting > 2`: "true",
		`num(vars.balance) * 2`:                            "25",
		`num(vars.balance) + 0.25`:                         "12.75",
		`num(vars.name)`:                                   "0",
		`int(num(vars.balance))`:                           "12",
		`caller.number startsWith "+373"`:                  "true",
		`digits(caller.number)`:                            "37360123456",
		`digits(caller.number)[0:3]`:                       "373",
		`caller.number matches "^\\+373[67]"`:              "true",
		`time >= "09:00" && time < "18:00"`:                "true",
		`weekday in ["sat", "sun"]`:                        "false",
		`schedule("office").open ? "open" : "closed"`:      "open",
		`vars.missing == ""`:                               "true",
		`contact.vip == "yes" and not call.answered`:       "true",
		`upper(vars.name) + "!"`:                           "ANA!",
		`len(vars.name) + hour`:                            "17",
		`1 / 4`:                                            "0.25",
		`max(1, 2, 3)`:                                     "3",
		`month == 12 && day == 25 || date == "2026-11-23"`: "true",
	} {
		e, err := CompileExpr(text, "value")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := e.Value(exprEnv()); got != want || err != nil {
			t.Errorf("%s = %q, %v; want %q", text, got, err, want)
		}
	}
}

// What loops, grows, names what is not there or leads outside is refused when it is read.
func TestExpressionsRefused(t *testing.T) {
	for _, text := range []string{
		"", "  ", "1 +", "nobody == 1", "vars", "vars[caller.number]", "call", "queue", `queue(vars.x).waiting == 1`, `schedule(call.id).open`,
		"1..1000000000", "len(1..1000000000) > 1", "all(1..9, # > 0)", "map([1,2], # * 2)", "filter(vars, true)", "reduce(1..9, #acc + #)", "repeat(\"x\", 1000000000)",
		"let x = 1; x", "$env", `$env["vars"]`, "now()", "date(\"x\")", "fromJSON(\"{}\")", "toJSON(vars)", "get(vars, \"x\")", "sort([1])", "[1, 2]", "{a: 1}", "nil",
		`caller.number matches vars.x`, `vars.x matches caller.number`, `vars.x.y`, "call.nobody", "1; 2", "queue(\"sales\")", "split(vars.a, \"\")", "1 && true",
		strings.Repeat("(", 400), strings.Repeat("1+", 249) + "1", strings.Repeat("!", 499) + "true", strings.Repeat("x", 501),
	} {
		if e, err := CompileExpr(text, "value"); err == nil {
			v, err := e.Value(exprEnv())
			t.Errorf("%.60q is taken and gives %.20q, %v", text, v, err)
		}
	}
	if _, err := CompileExpr(`"yes"`, "bool"); err == nil {
		t.Error("a text is taken for a condition")
	}
}

func TestExpressionFaults(t *testing.T) {
	for _, text := range []string{`1 % int(num(vars.name)) == 0`, `queue("gone").waiting == 0`, `digits(vars.name)[5:9] == ""`, `1 / num(vars.name)`} {
		e, err := CompileExpr(text, "value")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if v, err := e.Value(exprEnv()); err == nil && v != "true" { // an empty slice is one
			t.Errorf("%s = %q", text, v)
		} else if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "Ana")) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{`queue("sales").waiting > 2`, `num(vars.balance)*1e308*10`, `caller.number matches "(a+)+$"`, "1..9", "not true", `"a" + vars.name`, "-9223372036854775808 / -1", "1 ?: 2 ?? 3", "a?.b"} {
		f.Add(s)
	}
	env := exprEnv()
	f.Fuzz(func(t *testing.T, text string) {
		for _, want := range []string{"bool", "value"} {
			e, err := CompileExpr(text, want)
			if err != nil {
				if strings.Contains(err.Error(), "\n") {
					t.Fatalf("%q", err)
				}
				continue
			}
			if want == "bool" {
				_, _ = e.Bool(env)
				continue
			}
			if v, err := e.Value(env); err == nil && len(v) > 100*maxText {
				t.Fatalf("%d bytes of %q", len(v), text)
			}
		}
	})
}

func BenchmarkExpression(b *testing.B) {
	e, err := CompileExpr(`queue("sales").ready_agents == 0 && num(vars.balance) > 10 && weekday != "sun" && caller.number startsWith "+373"`, "bool")
	if err != nil {
		b.Fatal(err)
	}
	env := exprEnv()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := e.Bool(env); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
