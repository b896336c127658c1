package app

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/centrala/centrala/media/play"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/call"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/resource"
	"github.com/centrala/centrala/pkg/store"
	"github.com/centrala/centrala/pkg/voicemail"
)

// startMail opens the queue of e-mails; without a server there is none.
func (a *App) startMail(context.Context) error {
	c := a.cfg.Mail
	if c.Server == "" {
		mail.Off(a.opts.Registerer)
		return nil
	}
	host, port, err := mail.ParseServer(c.Server, c.TLS)
	if err != nil {
		return fmt.Errorf("mail.server: %w", err)
	}
	s := mail.SMTP{Host: host, Port: port, TLS: c.TLS, From: c.From, Name: c.Name, User: c.User}
	if c.PasswordFile != "" {
		b, err := os.ReadFile(a.cfg.Beside(c.PasswordFile))
		if err != nil {
			return fmt.Errorf("mail.password_file: %w", err)
		}
		s.Password = strings.TrimRight(string(b), "\r\n")
	}
	if c.CA != "" {
		b, err := os.ReadFile(a.cfg.Beside(c.CA))
		if err != nil {
			return fmt.Errorf("mail.ca: %w", err)
		}
		if s.Roots = x509.NewCertPool(); !s.Roots.AppendCertsFromPEM(b) {
			return fmt.Errorf("mail.ca: no certificate in %q", c.CA)
		}
	}
	q, err := mail.Open(mail.Config{Dir: a.cfg.MailDir(), MaxMessages: c.MaxMessages, MaxBytes: int64(c.MaxMB) << 20, MaxAge: c.MaxAge.D(), Timeout: c.Timeout.D(),
		Sender: s, Log: a.log.Named("mail"), Registerer: a.opts.Registerer})
	if err != nil {
		return err
	}
	a.mail = q
	a.onStop("mail", q.Stop)
	return nil
}

// makeVoicemail makes what looks after the boxes: calls ask it whether one is full.
func (a *App) makeVoicemail(context.Context) error {
	c := voicemail.Config{Store: a.store, Journal: a.store, Dir: a.cfg.RecordingsDir(), Boxes: a.boxes, Lamp: a.messageLamp,
		Log: a.log.Named("voicemail"), Registerer: a.opts.Registerer}
	if a.mail != nil {
		c.Mail = a.mail.Send
	}
	a.voicemail = voicemail.New(c)
	a.store.OnVoicemail(a.voicemail.Changed)
	return nil
}

// startVoicemail lets it begin: now its lamps can be told.
func (a *App) startVoicemail(context.Context) error {
	a.voicemail.Start()
	a.onStop("voicemail", a.voicemail.Stop)
	return nil
}

// boxes are all boxes of now.
func (a *App) boxes() map[voicemail.Key]voicemail.Box {
	out := map[voicemail.Key]voicemail.Box{}
	d := a.dir.Load()
	if d == nil {
		return out
	}
	for k, v := range d.set.Voicemail {
		h := d.houses[k.Tenant]
		if h == nil {
			continue
		}
		out[voicemail.Key{Tenant: k.Tenant, Box: k.Name}] = voicemail.Box{Name: cmp.Or(v.DisplayName, k.Name), Devices: h.boxDevices(v), Email: v.Email,
			EmailSound: v.EmailSound == nil || *v.EmailSound, Language: h.Language(), Max: cmp.Or(v.MaxMessages, resource.DefaultMessages), Retention: v.Retention.D()}
	}
	return out
}

// ownsBox tells whether a box is a user's own, or of a queue that the user serves.
func (h *house) ownsBox(v *resource.VoicemailSpec, user string) bool {
	if slices.Contains(v.Users, user) {
		return true
	}
	q := h.queues[v.Queue]
	return q != nil && slices.ContainsFunc(q.Members, func(m resource.MemberSpec) bool { return resource.MatchAgent(m.Agent, user) })
}

// boxDevices are the phones of a box's owners.
func (h *house) boxDevices(v *resource.VoicemailSpec) []string {
	devices := map[string]bool{}
	for name, u := range h.users {
		if h.devices[u.Device] != nil && h.ownsBox(v, name) {
			devices[u.Device] = true
		}
	}
	return slices.Sorted(maps.Keys(devices))
}

// OwnsBox implements api.Server.
func (a *App) OwnsBox(tenant, user, box string) bool {
	d := a.dir.Load()
	h, v := d.houses[tenant], d.set.Voicemail[resource.Key{Tenant: tenant, Name: box}]
	return h != nil && v != nil && h.users[user] != nil && h.ownsBox(v, user)
}

// Voicemail is the tenant's boxes as calls see them.
func (h *house) Voicemail() *call.Voicemails { return h.voicemail }

// setVoicemail makes Voicemail of the resources; full tells of a box by its name.
func (h *house) setVoicemail(s *resource.Set, full func(box string, most int) bool) {
	v := &call.Voicemails{Boxes: map[string]*call.Box{}, Numbers: map[string]string{}, Own: map[string]string{}, Fallback: map[string]call.Fallback{}}
	most := map[string]int{}
	for _, d := range s.Documents() { // in order: of two boxes of one phone the first by name is its own
		b, ok := d.Spec.(*resource.VoicemailSpec)
		if !ok || cmp.Or(d.Tenant, resource.DefaultTenant) != h.tenant {
			continue
		}
		v.Boxes[d.Name] = &call.Box{Greeting: cmp.Or(b.Greeting, "voicemail_greeting"), PIN: b.PIN, MaxLength: cmp.Or(b.MaxLength, resource.DefaultMessageLength).D()}
		most[d.Name] = cmp.Or(b.MaxMessages, resource.DefaultMessages)
		if b.Number != "" {
			v.Numbers[b.Number] = d.Name
		}
		for _, u := range b.Users { // before the boxes of queues: a person's own box is the first
			if spec := h.users[u]; spec != nil && spec.Device != "" && v.Own[spec.Device] == "" {
				v.Own[spec.Device] = d.Name
			}
		}
	}
	if len(v.Boxes) == 0 {
		return
	}
	for name := range v.Boxes {
		b := s.Voicemail[resource.Key{Tenant: h.tenant, Name: name}]
		for _, device := range h.boxDevices(b) {
			if v.Own[device] == "" {
				v.Own[device] = name
			}
		}
	}
	for name, d := range h.devices {
		if d.Voicemail != "" {
			v.Fallback[name] = call.Fallback{Box: d.Voicemail, After: cmp.Or(d.VoicemailAfter, resource.DefaultVoicemailRing).D()}
		}
	}
	v.Full = func(box string) bool { return full(box, most[box]) }
	h.voicemail = v
}

// messageLamp tells a phone that messages wait.
func (a *App) messageLamp(tenant, device string, fresh, saved int) {
	h := a.dir.Load().houses[tenant]
	if a.sip == nil || h == nil || h.devices[device] == nil || h.devices[device].MessageLamp == "off" {
		return
	}
	a.sip.SetMessageWaiting(tenant, device, fresh, saved)
	if h.devices[device].MessageLamp == "unsolicited" {
		a.sip.TellMessageWaiting(tenant, device, h.devices[device].User(device), fresh, saved)
	}
}

// lampAgain tells a phone that has just registered, when it expects to be told so.
func (a *App) lampAgain(h *house, device string) {
	if d := h.devices[device]; d != nil && d.MessageLamp == "unsolicited" && a.voicemail != nil {
		fresh, saved := a.voicemail.Waiting(h.tenant, device)
		a.sip.TellMessageWaiting(h.tenant, device, d.User(device), fresh, saved)
	}
}

// mailboxes is what calls listen to.
type mailboxes struct{ a *App }

// Messages implements call.Mailboxes.
func (m mailboxes) Messages(ctx context.Context, tenant, box string) ([]call.MailboxMessage, error) {
	var out []call.MailboxMessage
	for _, state := range []string{"new", "saved"} {
		list, _, err := m.a.store.Voicemail(ctx, tenant, store.VoicemailFilter{Box: box, State: state, Limit: 1000})
		if err != nil {
			return nil, err
		}
		for _, v := range list {
			out = append(out, call.MailboxMessage{ID: v.ID, Path: v.Path, From: v.From, New: state == "new"})
		}
	}
	return out, nil
}

// Sound implements call.Mailboxes.
func (m mailboxes) Sound(path string) (*play.Clip, error) {
	f, err := m.a.openRecording(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c, err := play.Load(f, path)
	if err != nil {
		return nil, err
	}
	return c.Even(play.DefaultLoudness), nil // the other channel is silent, so it came out at half
}

// openRecording opens a file of the recordings folder, and none outside of it.
func (a *App) openRecording(path string) (io.ReadCloser, error) {
	root, err := os.OpenRoot(a.cfg.RecordingsDir())
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(filepath.FromSlash(path))
}

// Voicemail implements api.Server.
func (a *App) Voicemail(ctx context.Context, tenant string, f api.VoicemailFilter) (api.VoicemailPage, error) {
	list, next, err := a.store.Voicemail(ctx, tenant, store.VoicemailFilter{Box: f.Box, State: f.State, Cursor: f.Cursor, Limit: f.Limit})
	if errors.Is(err, store.ErrCursor) {
		return api.VoicemailPage{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	page := api.VoicemailPage{Messages: make([]api.Voicemail, len(list)), Next: next}
	for i, m := range list {
		page.Messages[i] = apiVoicemail(m)
	}
	return page, err
}

func apiVoicemail(m store.Voicemail) api.Voicemail {
	return api.Voicemail{ID: m.ID, Box: m.Box, CallID: m.CallID, From: m.From, Display: m.Display, At: m.At, DurationMs: m.DurationMs, State: m.State}
}

// VoicemailMessage implements api.Server.
func (a *App) VoicemailMessage(ctx context.Context, tenant, id string) (api.Voicemail, error) {
	m, err := a.message(ctx, tenant, id)
	return apiVoicemail(m), err
}

func (a *App) message(ctx context.Context, tenant, id string) (store.Voicemail, error) {
	m, err := a.store.VoicemailMessage(ctx, tenant, id)
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("message %q: %w", id, api.ErrNotFound)
	}
	return m, err
}

// VoicemailSound implements api.Server.
func (a *App) VoicemailSound(ctx context.Context, tenant, id string) (string, io.ReadSeekCloser, error) {
	m, err := a.message(ctx, tenant, id)
	if err != nil {
		return "", nil, err
	}
	f, err := a.openRecording(m.Path)
	if errors.Is(err, os.ErrNotExist) || m.Path == "" {
		return "", nil, fmt.Errorf("sound of message %q: %w", id, api.ErrNotFound)
	}
	if err != nil {
		return "", nil, err
	}
	return filepath.Base(m.Path), f.(io.ReadSeekCloser), nil
}

// MarkVoicemail implements api.Server. It returns when the change is kept.
func (a *App) MarkVoicemail(ctx context.Context, tenant, id, state, by string) (api.Voicemail, error) {
	m, err := a.message(ctx, tenant, id)
	if err != nil || m.State == state {
		return apiVoicemail(m), err
	}
	m.State = state
	return apiVoicemail(m), a.voicemailEvent(tenant, event.VoicemailMarked{Message: id, Box: m.Box, State: state, By: by})
}

// DeleteVoicemail implements api.Server.
func (a *App) DeleteVoicemail(ctx context.Context, tenant, id, by string) error {
	m, err := a.message(ctx, tenant, id)
	if err != nil {
		return err
	}
	return a.voicemailEvent(tenant, event.VoicemailDeleted{Message: id, Box: m.Box, By: by})
}

func (a *App) voicemailEvent(tenant string, b event.Body) error {
	a.store.Append(event.Event{At: time.Now(), Tenant: tenant, Body: b})
	return a.store.Sync()
}

// leaveInterrupted puts a message into its box that a killed process was recording:
// what was said until then is in the file.
func (a *App) leaveInterrupted(ctx context.Context, r store.TenantRecording, b event.RecordingEnded) {
	at := r.Started.Add(time.Duration(b.DurationMs) * time.Millisecond)
	var body event.Body = event.VoicemailDeleted{Message: r.ID, Box: r.Box, By: "interrupted"}
	if b.DurationMs >= time.Second.Milliseconds() {
		left := event.VoicemailLeft{Message: r.ID, Box: r.Box, DurationMs: b.DurationMs, Fault: b.Fault}
		events, err := a.store.Events(ctx, r.Tenant, r.CallID)
		for _, e := range events {
			if c, ok := e.Body.(event.CallStarted); ok && err == nil && !c.Private {
				left.From, left.Display = c.From, c.Display
			}
		}
		body = left
	}
	a.store.Append(event.Event{At: at, Tenant: r.Tenant, CallID: r.CallID, Body: body})
}
