package flow

// Schedule goes to Open or Closed by the schedule Name.
type Schedule struct{ Name, Open, Closed string }

func (p *parser) schedule(path string, v any) Body {
	o, _ := p.object(path, v)
	b := &Schedule{p.need(o, "name"), p.need(o, "open"), p.need(o, "closed")}
	o.end()
	return b
}

func (b *Schedule) tell(_ *Step, t *traits) {
	t.refers(refSchedule, "name", b.Name)
	t.way("schedule.open", b.Open)
	t.way("schedule.closed", b.Closed)
}
