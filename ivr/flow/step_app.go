package flow

// App asks an application outside what to do next, and does it, until the application
// gives the call back.
type App struct {
	App  string
	Hold string // prompt while the application thinks; "" = a tone
}

// AskApp is the job of an App step: one question to an application. Its outcome is
// done with "verbs" among the values, their JSON; else failed or timeout.
type AskApp struct {
	App  string
	Body []byte // JSON, see ivr.AppRequest
}

// Name implements Job.
func (*AskApp) Name() string { return "app" }
func (*AskApp) job()         {}

// VerbsValue is the value of an AskApp's outcome that holds the verbs.
const VerbsValue = "verbs"

// app is a name, or {name, hold}.
func (p *parser) app(path string, v any) Body {
	if s, ok := v.(string); ok {
		v = map[string]any{"name": s}
	}
	o, ok := p.object(path, v)
	if !ok {
		return &App{}
	}
	b := &App{App: p.need(o, "name"), Hold: o.str("hold", "")}
	o.end()
	if b.Hold != "" {
		p.promptName(join(path, "hold"), b.Hold)
	}
	return b
}

func (b *App) tell(_ *Step, t *traits) {
	t.waits, t.ends = true, true // it may hang up, and it has a time-out
	t.refers(refApp, "name", b.App)
	if b.Hold != "" {
		t.prompt("hold", b.Hold)
	}
}

// AppFlow is the name of the flow of callers who dial an application's number; "" for "".
func AppFlow(app string) string {
	if app == "" {
		return ""
	}
	return "app:" + app
}

// ForApp makes that flow: the application is asked, and the call ends behind it.
func ForApp(app string) *Flow {
	f := &Flow{Name: AppFlow(app), Start: "app", Order: []string{"app", "end"}, Variables: map[string]string{}, Steps: map[string]*Step{
		"app": {Name: "app", Kind: KindApp, Next: "end", Body: &App{App: app}},
		"end": {Name: "end", Kind: KindHangup, Body: &Hangup{Cause: "normal"}},
	}}
	for _, s := range f.Steps {
		s.of() // worked out here: the flow is shared afterwards
	}
	return f
}

// TellApp is the job of telling an application what it need not answer.
type TellApp struct {
	App  string
	Body []byte // JSON, see ivr.AppRequest
	Over bool   // the call has ended: there is nothing more to come
}

// Name implements Job.
func (*TellApp) Name() string { return "app" }
func (*TellApp) job()         {}
