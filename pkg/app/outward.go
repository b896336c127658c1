package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/outward"
	"github.com/centrala/centrala/pkg/resource"
)

// startOutward makes what flows reach services by, and the key of the tenants' secrets.
func (a *App) startOutward(context.Context) error {
	g, err := outward.NewGuard(a.cfg.Flows.Allow)
	if err != nil {
		return fmt.Errorf("flows.allow: %w", err)
	}
	a.outward = outward.NewClient(g, a.cfg.SIP.UserAgent, nil)
	a.later = newLater()
	a.onStop("outward", func(ctx context.Context) error {
		defer a.outward.Close()
		return a.later.stop(ctx)
	})
	key, err := secretsKey(a.cfg.SecretsKeyFile())
	if err != nil {
		return fmt.Errorf("flows.secrets_key_file: %w", err)
	}
	a.secrets, err = resource.NewBox(key)
	return err
}

// secretsKey reads the key that seals the tenants' secrets, and makes it at the first
// start.
func secretsKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, resource.KeySize)
		rand.Read(key) // never fails (crypto/rand)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(hex.EncodeToString(key) + "\n")
		return key, errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != resource.KeySize {
		return nil, fmt.Errorf("%s: want %d bytes in hex", path, resource.KeySize)
	}
	return key, nil
}

// openSecrets returns a tenant's secrets. One that does not open is told and left out:
// flows that need it go their way for failed, and the rest of the house has its telephone.
func (a *App) openSecrets(tenant string, s *resource.Set) map[string]string {
	var out map[string]string
	for k, spec := range s.Secrets {
		if k.Tenant != tenant {
			continue
		}
		v, err := spec.Open(a.secrets, k)
		if err != nil {
			a.log.Error("secret not usable; apply it again", zap.String("tenant", tenant), zap.String("secret", k.Name), zap.Error(err))
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k.Name] = v
	}
	return out
}

// httpJob makes the request of an http step. One that is not waited for goes on by
// itself, also after its call; it does not outlive the process.
func (a *App) httpJob(ctx context.Context, tenant, callID string, job flow.Job) (string, map[string]string, error) {
	j := job.(*flow.HTTPJob)
	if j.Wait {
		return a.request(ctx, tenant, j)
	}
	if !a.later.begin() {
		return flow.OutcomeFailed, nil, errors.New("too many requests that nobody waits for are under way")
	}
	go func() {
		defer a.later.end()
		ctx, cancel := context.WithTimeout(a.later.ctx, laterTimeout)
		defer cancel()
		if outcome, _, err := a.request(ctx, tenant, j); outcome != flow.OutcomeDone {
			a.log.Warn("request of a flow that nobody waited for failed", zap.String("tenant", tenant), zap.String("call_id", callID), zap.String("outcome", outcome), zap.Error(err))
		}
	}()
	return flow.OutcomeDone, nil, nil
}

// laterTimeout bounds a request that nobody waits for, with its retries.
const laterTimeout = 2 * time.Minute

// maxLater is how many of them there are at once.
const maxLater = 500

// later counts requests that nobody waits for.
type later struct {
	ctx    context.Context
	cancel context.CancelFunc
	room   chan struct{}
	wg     sync.WaitGroup
}

func newLater() *later {
	ctx, cancel := context.WithCancel(context.Background())
	return &later{ctx: ctx, cancel: cancel, room: make(chan struct{}, maxLater)}
}

func (l *later) begin() bool {
	if l.ctx.Err() != nil {
		return false
	}
	select {
	case l.room <- struct{}{}:
		l.wg.Add(1)
		return true
	default:
		return false
	}
}

func (l *later) end() { <-l.room; l.wg.Done() }

// stop lets what is under way go on until ctx is over.
func (l *later) stop(ctx context.Context) error {
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	l.cancel()
	<-done
	return nil
}

// mailJob hands a mail to the node's queue.
func (a *App) mailJob(_ context.Context, tenant, _ string, job flow.Job) (string, map[string]string, error) {
	j := job.(*flow.MailJob)
	if a.mail == nil {
		return flow.OutcomeFailed, nil, mail.ErrOff
	}
	if err := a.mail.Send(mail.Message{Tenant: tenant, To: j.To, Subject: j.Subject, Text: j.Text}); err != nil {
		return flow.OutcomeFailed, nil, err
	}
	return flow.OutcomeDone, nil, nil
}

// request makes a request for a flow and takes the values of its answer.
func (a *App) request(ctx context.Context, tenant string, j *flow.HTTPJob) (string, map[string]string, error) {
	d := a.dir.Load()
	secret := func(name string) (string, bool) {
		h := d.houses[tenant]
		if h == nil {
			return "", false
		}
		v, ok := h.secrets[name]
		return v, ok
	}
	var faults []error
	text := func(parts []flow.Part) string {
		s, err := flow.Join(parts, secret)
		faults = append(faults, err)
		return s
	}
	r := outward.Request{Method: j.Method, URL: text(j.URL), Body: text(j.Body), Header: http.Header{}, Retries: j.Retries, MaxBytes: j.MaxBytes}
	if j.Method != http.MethodGet && j.Method != http.MethodHead {
		r.Key = j.Key
	}
	if j.ContentType != "" {
		r.Header.Set("Content-Type", j.ContentType)
	}
	if len(j.Into) > 0 {
		r.Header.Set("Accept", "application/json")
	}
	for _, h := range j.Headers {
		r.Header.Set(h.Name, text(h.Value))
	}
	if err := errors.Join(faults...); err != nil {
		return flow.OutcomeFailed, nil, err
	}
	resp, err := a.outward.Do(ctx, r)
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	return answer(j, resp)
}

// answer takes the values of an answer.
func answer(j *flow.HTTPJob, r outward.Response) (string, map[string]string, error) {
	values := map[string]string{}
	if j.Status != "" {
		values[j.Status] = strconv.Itoa(r.Status)
	}
	switch {
	case r.Status == http.StatusNotFound || r.Status == http.StatusGone:
		return flow.OutcomeNotFound, values, nil
	case r.Status >= 400 && r.Status < 500:
		return flow.OutcomeRefused, values, fmt.Errorf("the service answered %d", r.Status)
	case r.Status >= 300:
		return flow.OutcomeFailed, values, fmt.Errorf("the service answered %d", r.Status)
	case len(j.Into) == 0:
		return flow.OutcomeDone, values, nil
	}
	if r.Type != "application/json" && !strings.HasSuffix(r.Type, "+json") {
		return flow.OutcomeFailed, values, errors.New("the answer is not application/json")
	}
	pointers := make([]string, len(j.Into))
	for i, p := range j.Into {
		pointers[i] = p.Value
	}
	got, err := outward.Pick(r.Body, pointers)
	if err != nil {
		return flow.OutcomeFailed, values, err
	}
	for i, p := range j.Into {
		values[p.Name] = got[i]
	}
	return flow.OutcomeDone, values, nil
}
