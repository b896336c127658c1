package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/centrala/centrala/media/record"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
)

// notes knows how much each agent has not acknowledged, so that the pages are told
// without asking the store.
type notes struct {
	mu     sync.Mutex
	unread map[string]map[string]int // by tenant and agent
	peaks  chan struct{}             // a place for each waveform that is being made
}

func (a *App) startNotes(ctx context.Context) error {
	unread, err := a.store.UnreadNotices(ctx)
	a.notes.unread, a.notes.peaks = unread, make(chan struct{}, 2)
	return err
}

// of counts what an agent has not acknowledged.
func (n *notes) of(tenant, agent string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.unread[tenant][agent]
}

// recipients are the agents whom "all", "queue:NAME" or "agent:NAME" means.
func (a *App) recipients(tenant, to string) ([]string, error) {
	h := a.dir.Load().houses[tenant]
	if h == nil {
		return nil, fmt.Errorf("tenant %q: %w", tenant, api.ErrNotFound)
	}
	kind, name, _ := strings.Cut(to, ":")
	var out []string
	for user, spec := range h.users {
		if spec.Device == "" && !slices.Contains(spec.Roles, "agent") {
			continue // not somebody who takes calls
		}
		switch kind {
		case "all":
			out = append(out, user)
		case "agent":
			if user == name {
				out = append(out, user)
			}
		case "queue":
			if q := h.queues[name]; q != nil && slices.ContainsFunc(q.Members, func(m resource.MemberSpec) bool { return resource.MatchAgent(m.Agent, user) }) {
				out = append(out, user)
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: to %q: want all, queue:NAME or agent:NAME, of somebody", api.ErrInvalid, to)
	}
	slices.Sort(out)
	return out, nil
}

// SendNotice implements api.Notes.
func (a *App) SendNotice(ctx context.Context, tenant, to, text, by string) (api.Notice, error) {
	agents, err := a.recipients(tenant, to)
	if err != nil {
		return api.Notice{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return api.Notice{}, err
	}
	n := store.Notice{ID: id.String(), At: time.Now().UTC().Truncate(time.Millisecond), By: by, To: to, Text: text, Agents: agents, Read: map[string]time.Time{}}
	if err := a.store.AddNotice(ctx, tenant, n); err != nil {
		return api.Notice{}, err
	}
	a.notes.mu.Lock()
	if a.notes.unread[tenant] == nil {
		a.notes.unread[tenant] = map[string]int{}
	}
	for _, agent := range agents {
		a.notes.unread[tenant][agent]++
	}
	a.notes.mu.Unlock()
	a.store.Append(event.Event{At: n.At, Tenant: tenant, Body: event.NoticeSent{Notice: n.ID, To: to, Agents: agents, Text: text, By: by}})
	return api.Notice(n), nil
}

// Notices implements api.Notes.
func (a *App) Notices(ctx context.Context, tenant string, f api.NoticeFilter) (api.NoticePage, error) {
	list, next, err := a.store.Notices(ctx, tenant, store.NoticeFilter{Agent: f.Agent, Unread: f.Unread, Cursor: f.Cursor, Limit: f.Limit})
	if errors.Is(err, store.ErrCursor) {
		err = fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	p := api.NoticePage{Notices: []api.Notice{}, Next: next}
	for _, n := range list {
		slices.Sort(n.Agents)
		p.Notices = append(p.Notices, api.Notice(n))
	}
	return p, err
}

// ReadNotice implements api.Notes.
func (a *App) ReadNotice(ctx context.Context, tenant, id, agent string) error {
	now := time.Now()
	first, err := a.store.ReadNotice(ctx, tenant, id, agent, now)
	if err != nil {
		return err
	}
	if !first { // it was acknowledged before, or was not for this agent
		return nil
	}
	a.notes.mu.Lock()
	if u := a.notes.unread[tenant]; u[agent] > 0 {
		u[agent]--
	}
	a.notes.mu.Unlock()
	a.store.Append(event.Event{At: now, Tenant: tenant, Body: event.NoticeRead{Notice: id, Agent: agent}})
	return nil
}

// recording finds a recording of the tenant.
func (a *App) recording(ctx context.Context, tenant, id string) (store.Recording, error) {
	r, err := a.store.Recording(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("recording %q: %w", id, api.ErrNotFound)
	}
	return r, err
}

// Marks implements api.Notes.
func (a *App) Marks(ctx context.Context, tenant, recording string) ([]api.Mark, error) {
	if _, err := a.recording(ctx, tenant, recording); err != nil {
		return nil, err
	}
	list, err := a.store.Marks(ctx, tenant, recording)
	out := make([]api.Mark, len(list))
	for i, m := range list {
		out[i] = api.Mark{ID: m.ID, Recording: m.Recording, AtMs: m.AtMs, At: m.At, By: m.By, Text: m.Text}
	}
	return out, err
}

// AddMark implements api.Notes.
func (a *App) AddMark(ctx context.Context, tenant, recording string, atMs int64, text, by string) (api.Mark, error) {
	r, err := a.recording(ctx, tenant, recording)
	if err != nil {
		return api.Mark{}, err
	}
	if r.Closed && atMs > r.DurationMs {
		return api.Mark{}, fmt.Errorf("%w: at_ms %d: the recording has %d", api.ErrInvalid, atMs, r.DurationMs)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return api.Mark{}, err
	}
	m := store.Mark{ID: id.String(), Recording: recording, CallID: r.CallID, AtMs: atMs, At: time.Now().UTC().Truncate(time.Millisecond), By: by, Text: text}
	if err := a.store.AddMark(ctx, tenant, m); err != nil {
		return api.Mark{}, err
	}
	a.store.Append(event.Event{At: m.At, Tenant: tenant, CallID: r.CallID, Body: event.MarkMade{Mark: m.ID, Recording: recording, AtMs: atMs, Text: text, By: by}})
	return api.Mark{ID: m.ID, Recording: recording, AtMs: atMs, At: m.At, By: by, Text: text}, nil
}

// RemoveMark implements api.Notes.
func (a *App) RemoveMark(ctx context.Context, tenant, recording, id, by string) error {
	r, err := a.recording(ctx, tenant, recording)
	if err != nil {
		return err
	}
	gone, err := a.store.DropMark(ctx, tenant, recording, id)
	if err == nil && !gone {
		err = fmt.Errorf("mark %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return err
	}
	a.store.Append(event.Event{At: time.Now(), Tenant: tenant, CallID: r.CallID, Body: event.MarkRemoved{Mark: id, Recording: recording, By: by}})
	return nil
}

// peaksExt is how the file beside a recording is called that has its waveform.
const peaksExt = ".peaks"

// Peaks implements api.Notes. They are made once, of a recording that has ended, and
// kept beside it; an hour of sound takes about a second of one CPU, and two at a time
// are made at most.
func (a *App) Peaks(ctx context.Context, tenant, recording string) (record.Peaks, error) {
	var p record.Peaks
	r, err := a.recording(ctx, tenant, recording)
	if err != nil {
		return p, err
	}
	root, err := os.OpenRoot(a.cfg.RecordingsDir())
	if err != nil {
		return p, err
	}
	defer root.Close()
	if r.Closed {
		if b, err := root.ReadFile(r.Path + peaksExt); err == nil && json.Unmarshal(b, &p) == nil && len(p.Caller) == len(p.Agent) && p.StepMs > 0 {
			return p, nil
		}
	}
	select {
	case a.notes.peaks <- struct{}{}:
		defer func() { <-a.notes.peaks }()
	case <-ctx.Done():
		return p, ctx.Err()
	}
	f, err := root.Open(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("recording %q: its file: %w", recording, api.ErrNotFound)
	}
	if err != nil {
		return p, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return p, err
	}
	p, err = record.PeaksOf(f, st.Size(), r.Path, r.DurationMs*8, ctx.Err)
	if errors.Is(err, record.ErrNotARecording) {
		return p, fmt.Errorf("%w: recording %q: %w", api.ErrConflict, recording, err)
	}
	if err != nil || !r.Closed {
		return p, err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	if err := root.WriteFile(r.Path+peaksExt, b, 0o640); err != nil { // a full disk: made again next time
		a.log.Sugar().Debugf("waveform of %s is not kept: %v", r.Path, err)
	}
	return p, nil
}
