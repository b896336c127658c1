package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/centrala/centrala/pkg/acd"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/cdr"
	"github.com/centrala/centrala/pkg/contact"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// maxDispositionNote bounds the note of a disposition, characters.
const maxDispositionNote = 2000

// dispositionRequired tells whether a queue's calls need a disposition.
func (h *house) dispositionRequired(queue string) bool {
	q := h.queues[queue]
	if q == nil {
		return false
	}
	l := h.dispositions[q.Dispositions]
	return l != nil && l.Required
}

func choicesOf(l *resource.DispositionListSpec) []api.DispositionChoice {
	out := []api.DispositionChoice{}
	if l != nil {
		for _, d := range l.Choices {
			out = append(out, api.DispositionChoice{Name: d.Name, Label: cmp.Or(d.Label, d.Name), Group: d.Group, Callback: d.Callback})
		}
	}
	return out
}

func fieldOf(f resource.CaseFieldSpec) contact.Field {
	return contact.Field{Name: f.Name, Label: f.Label, Type: cmp.Or(f.Type, "text"), Required: f.Required, Choices: f.Choices}
}

// Desk implements api.Server.
func (a *App) Desk(_ context.Context, tenant string) (api.DeskSheet, error) {
	h, err := a.houseOf(tenant)
	if err != nil {
		return api.DeskSheet{}, err
	}
	d := api.DeskSheet{Queues: map[string]api.DeskQueue{}, Scripts: map[string]api.Script{}, Reasons: []string{}}
	for name, q := range h.queues {
		d.Queues[name] = api.DeskQueue{DisplayName: q.DisplayName, List: q.Dispositions, DispositionRequired: h.dispositionRequired(name),
			Dispositions: choicesOf(h.dispositions[q.Dispositions]), Script: q.Script, MayExtend: int(q.WrapUpExtend.D() / time.Second), Callback: q.Callback != nil}
		if s := h.scripts[q.Script]; s != nil {
			d.Scripts[q.Script] = scriptOf(s)
		}
	}
	for _, reason := range slices.Sorted(maps.Values(h.spec.NotReadyReasons)) {
		if !slices.Contains(d.Reasons, reason) {
			d.Reasons = append(d.Reasons, reason)
		}
	}
	return d, nil
}

func scriptOf(s *resource.ScriptSpec) api.Script {
	out := api.Script{DisplayName: s.DisplayName}
	for _, p := range s.Pages {
		page := api.ScriptPage{Name: p.Name, Text: p.Text, Next: p.Next}
		for _, q := range p.Questions {
			page.Questions = append(page.Questions, fieldOf(q))
		}
		for _, b := range p.Branches {
			page.Branches = append(page.Branches, api.ScriptBranch(b))
		}
		out.Pages = append(out.Pages, page)
	}
	return out
}

// talkOf is the conversation of an agent in a call, "" for the agent who talked last:
// who it was, and with callers of which queue.
func talkOf(c *cdr.Call, agent string) (who, queue string, ok bool) {
	who = cmp.Or(agent, c.Agent)
	if who == "" {
		return "", "", false
	}
	ok = c.Agent == who
	queue = c.Queue
	for _, s := range c.Segments {
		if s.Agent == who {
			ok = true
			queue = cmp.Or(s.Queue, queue)
		}
	}
	return who, queue, ok
}

// talk is talkOf of a call that is looked up; the error is the API's.
func (a *App) talk(ctx context.Context, tenant, id, agent string) (who, queue string, err error) {
	c, err := a.store.Call(ctx, tenant, id)
	if err != nil {
		return "", "", toldAbout(err)
	}
	who, queue, ok := talkOf(&c, agent)
	if !ok {
		return "", "", fmt.Errorf("%w: agent %q did not talk in call %q", api.ErrConflict, who, id)
	}
	return who, queue, nil
}

// Dispose implements api.Server.
func (a *App) Dispose(ctx context.Context, tenant, id string, in api.Disposal, by string) error {
	h, err := a.houseOf(tenant)
	if err != nil {
		return err
	}
	who, queue, err := a.talk(ctx, tenant, id, in.Agent)
	if err != nil {
		return err
	}
	q := h.queues[queue]
	if q == nil || h.dispositions[q.Dispositions] == nil {
		return fmt.Errorf("%w: calls of queue %q have no dispositions; give the queue a disposition_list", api.ErrConflict, queue)
	}
	choices := h.dispositions[q.Dispositions].Choices
	at := slices.IndexFunc(choices, func(d resource.DispositionSpec) bool { return d.Name == in.Disposition })
	if at < 0 {
		return fmt.Errorf("%w: disposition %.64q: the list %q has none of that name", api.ErrInvalid, in.Disposition, q.Dispositions)
	}
	note := in.Note
	if note != "" {
		if note, err = contact.CheckNote(note); err != nil || len([]rune(note)) > maxDispositionNote {
			return fmt.Errorf("%w: note: want up to %d characters without control characters", api.ErrInvalid, maxDispositionNote)
		}
	}
	a.tellPeople(tenant, id, event.CallDisposed{Agent: who, Queue: queue, List: q.Dispositions, Disposition: in.Disposition, Group: choices[at].Group, Note: note, By: by})
	if err := a.store.Sync(); err != nil { // nobody is let out of a wrap-up on what is not kept
		return err
	}
	if err := h.acd.Ask(ctx, acd.Disposed{Agent: who, CallID: id}); err != nil && !errors.Is(err, acd.ErrUnknownAgent) { // who is gone waits for nothing
		return conflict(err)
	}
	return nil
}

// Dispositions implements api.Server.
func (a *App) Dispositions(ctx context.Context, tenant string, q api.DispositionQuery) (api.DispositionCounts, error) {
	from, to, _, err := a.window(tenant, api.ReportQuery{From: q.From, To: q.To})
	if err != nil {
		return api.DispositionCounts{}, err
	}
	h, err := a.houseOf(tenant)
	if err != nil {
		return api.DispositionCounts{}, err
	}
	list, err := a.store.Dispositions(ctx, tenant, store.DispositionFilter{From: from, To: to, Queue: q.Queue, Agent: q.Agent})
	out := api.DispositionCounts{From: from, To: to, Items: []api.DispositionCount{}}
	for _, c := range list {
		label := c.Disposition // of one that the list has lost
		for _, d := range choicesOf(h.dispositions[c.List]) {
			if d.Name == c.Disposition {
				label = d.Label
			}
		}
		out.Items = append(out.Items, api.DispositionCount{Queue: c.Queue, Agent: c.Agent, List: c.List, Group: c.Group, Disposition: c.Disposition, Label: label, Count: c.Count})
	}
	return out, err
}

// Answer implements api.Server.
func (a *App) Answer(ctx context.Context, tenant, id string, in api.ScriptAnswers, by string) error {
	h, err := a.houseOf(tenant)
	if err != nil {
		return err
	}
	s := h.scripts[in.Script]
	if s == nil {
		return fmt.Errorf("script %q: %w", in.Script, api.ErrNotFound)
	}
	who, queue, err := a.talk(ctx, tenant, id, in.Agent)
	if err != nil {
		return err
	}
	if in.Contact != "" {
		if _, err := a.store.Contact(ctx, tenant, in.Contact); err != nil {
			return toldAbout(err)
		}
	}
	answers, err := checkAnswers(s, in.Answers, in.Done, h.spec.Region)
	if err != nil {
		return toldAbout(err)
	}
	a.tellPeople(tenant, id, event.ScriptAnswered{Agent: who, Script: in.Script, Queue: queue, Contact: in.Contact, Answers: answers, Done: in.Done, By: by})
	return a.store.Sync()
}

// checkAnswers holds answers against the questions of a script. With done, what is
// required on the pages that the answers lead over has to be there.
func checkAnswers(s *resource.ScriptSpec, given map[string]string, done bool, region string) (map[string]string, error) {
	questions := map[string]contact.Field{}
	for _, p := range s.Pages {
		for _, q := range p.Questions {
			questions[q.Name] = fieldOf(q)
		}
	}
	answers := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		f, known := questions[name]
		v := given[name]
		switch {
		case !known:
			errs = append(errs, fmt.Errorf("%w: answers.%.64s: the script has no such question", contact.ErrInvalid, name))
		case v == "":
		case len(v) > 4000:
			errs = append(errs, fmt.Errorf("%w: answers.%s: want up to 4000 bytes", contact.ErrInvalid, name))
		default:
			v, err := f.Value(v, region)
			if err == nil && f.Type == "text" {
				v, err = contact.CheckNote(v)
			}
			errs, answers[name] = append(errs, err), v
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !done {
		return answers, nil
	}
	for _, p := range scriptPath(s, answers) {
		for _, q := range p.Questions {
			if q.Required && answers[q.Name] == "" {
				errs = append(errs, fmt.Errorf("%w: answers.%s: missing", contact.ErrInvalid, q.Name))
			}
		}
	}
	return answers, errors.Join(errs...)
}

// scriptPath are the pages that answers lead over, from the first; none twice.
func scriptPath(s *resource.ScriptSpec, answers map[string]string) []resource.ScriptPageSpec {
	var path []resource.ScriptPageSpec
	seen := map[int]bool{}
	for at := 0; at >= 0 && at < len(s.Pages) && !seen[at]; {
		seen[at] = true
		p := s.Pages[at]
		path = append(path, p)
		next := p.Next
		for _, b := range p.Branches {
			if answers[b.Question] == b.Is {
				next = b.Page
				break
			}
		}
		if next == "" {
			at++
			continue
		}
		at = slices.IndexFunc(s.Pages, func(p resource.ScriptPageSpec) bool { return p.Name == next })
	}
	return path
}

// ScriptAnswers implements api.Server.
func (a *App) ScriptAnswers(ctx context.Context, tenant string, f api.AnswersFilter) (api.AnswersPage, error) {
	list, next, err := a.store.ScriptAnswers(ctx, tenant, store.AnswersFilter{CallID: f.CallID, Script: f.Script, Contact: f.Contact, Limit: f.Limit, Cursor: f.Cursor})
	out := api.AnswersPage{Items: []api.CallAnswers{}, Next: next}
	for _, x := range list {
		out.Items = append(out.Items, api.CallAnswers(x))
	}
	return out, toldAbout(err)
}

func apiReminder(r store.Reminder) api.Reminder {
	return api.Reminder{ID: r.ID, Agent: r.Agent, NewReminder: api.NewReminder{At: r.At, Number: r.Number, Name: r.Name, Note: r.Note, CallID: r.CallID}}
}

// Reminders implements api.Server.
func (a *App) Reminders(ctx context.Context, tenant, agent string) ([]api.Reminder, error) {
	list, err := a.store.Reminders(ctx, tenant, agent)
	out := make([]api.Reminder, 0, len(list))
	for _, r := range list {
		out = append(out, apiReminder(r))
	}
	return out, err
}

// reminderAhead bounds how far in the future a reminder may be.
const reminderAhead = 366 * 24 * time.Hour

// SetReminder implements api.Server.
func (a *App) SetReminder(ctx context.Context, tenant, agent string, in api.NewReminder, by string) (api.Reminder, error) {
	h, err := a.houseOf(tenant)
	if err != nil {
		return api.Reminder{}, err
	}
	if h.users[agent] == nil {
		return api.Reminder{}, fmt.Errorf("agent %q: %w", agent, api.ErrNotFound)
	}
	now := time.Now()
	number := contact.Number(in.Number, h.spec.Region)
	switch {
	case number == "":
		return api.Reminder{}, fmt.Errorf("%w: number %.40q: no telephone number", api.ErrInvalid, in.Number)
	case in.At.Before(now.Add(-time.Minute)) || in.At.After(now.Add(reminderAhead)):
		return api.Reminder{}, fmt.Errorf("%w: at: want a time in the coming year", api.ErrInvalid)
	case len([]rune(in.Name)) > 64 || len([]rune(in.Note)) > 500 || len(in.CallID) > 64:
		return api.Reminder{}, fmt.Errorf("%w: name up to 64 characters, note up to 500", api.ErrInvalid)
	}
	for what, s := range map[string]*string{"name": &in.Name, "note": &in.Note} {
		if *s == "" {
			continue
		}
		if *s, err = contact.CheckNote(*s); err != nil {
			return api.Reminder{}, fmt.Errorf("%w: %s: %w", api.ErrInvalid, what, err)
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return api.Reminder{}, err
	}
	r := store.Reminder{ID: id.String(), Agent: agent, At: in.At.UTC().Truncate(time.Second), Number: number, Name: in.Name, Note: in.Note, CallID: in.CallID}
	switch err := a.store.SetReminder(ctx, tenant, r); {
	case errors.Is(err, store.ErrManyReminders):
		return api.Reminder{}, fmt.Errorf("%w: %w: %d", api.ErrConflict, err, store.MaxReminders)
	case err != nil:
		return api.Reminder{}, err
	}
	a.tellPeople(tenant, "", event.ReminderSet{Reminder: r.ID, Agent: agent, Number: number, By: by})
	return apiReminder(r), nil
}

// EndReminder implements api.Server.
func (a *App) EndReminder(ctx context.Context, tenant, agent, id string, seen bool, by string) error {
	if err := a.store.DropReminder(ctx, tenant, agent, id); err != nil {
		return toldAbout(err)
	}
	outcome := "cancelled"
	if seen {
		outcome = "done"
	}
	a.tellPeople(tenant, "", event.ReminderDone{Reminder: id, Agent: agent, Outcome: outcome, By: by})
	return nil
}
