package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/centrala/centrala/pkg/auth"
)

// Answers may be implemented by the application: answers to requests that named an
// Idempotency-Key, kept for a day.
type Answers interface {
	LoadAnswer(ctx context.Context, tenant, who, key string) (request, answer string, err error)
	SaveAnswer(ctx context.Context, tenant, who, key, request, answer string) error
}

// idempotencyHeader names a request: sent again with the same name and content it is
// answered as the first time, and not done again.
const idempotencyHeader = "Idempotency-Key"

const maxIdempotencyKey = 128

// kept is an answer at rest.
type kept struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   []byte `json:"body"`
}

// inFlight are the keys being worked on.
type inFlight struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (f *inFlight) enter(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keys == nil {
		f.keys = map[string]bool{}
	}
	if f.keys[key] {
		return false
	}
	f.keys[key] = true
	return true
}

func (f *inFlight) leave(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

// once answers a request that names an Idempotency-Key; others go on to next.
func (h *HTTP) once(op operation, next http.Handler) http.Handler {
	if op.method != http.MethodPost || op.secret || op.right == auth.Public {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get(idempotencyHeader)
		store, ok := h.app.(Answers)
		if key == "" || !ok {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > maxIdempotencyKey {
			h.fail(w, r, fmt.Errorf("%w: %s: want at most %d characters", ErrInvalid, idempotencyHeader, maxIdempotencyKey), nil)
			return
		}
		most := op.most
		if most == 0 {
			most = maxBody
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, most))
		if err != nil {
			h.fail(w, r, err, nil)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %s\n%s", r.Method, r.URL.RequestURI(), body))
		request, t, who := hex.EncodeToString(sum[:]), tenant(r), whoAsks(r)
		place := t + "\x00" + who + "\x00" + key
		if !h.flying.enter(place) {
			h.fail(w, r, fmt.Errorf("%w: a request of this %s is being worked on", ErrConflict, idempotencyHeader), nil)
			return
		}
		defer h.flying.leave(place)
		was, answer, err := store.LoadAnswer(r.Context(), t, who, key)
		switch {
		case err != nil:
			h.fail(w, r, err, nil)
			return
		case was != "" && was != request:
			h.fail(w, r, fmt.Errorf("%w: %s was used for another request", ErrInvalid, idempotencyHeader), nil)
			return
		case was != "":
			var k kept
			if err := json.Unmarshal([]byte(answer), &k); err != nil {
				h.fail(w, r, err, nil)
				return
			}
			w.Header().Set("Content-Type", k.Type)
			w.Header().Set("Idempotency-Replayed", "true")
			w.WriteHeader(k.Status)
			_, _ = w.Write(k.Body)
			return
		}
		rec := &recorded{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		// Our own failures may be tried again; so may what was too large to keep.
		if rec.status == 0 || rec.status >= 500 || rec.body.Len() > maxBody {
			return
		}
		text, err := json.Marshal(kept{rec.status, w.Header().Get("Content-Type"), rec.body.Bytes()})
		if err == nil {
			// It was done, whether or not the asker still waits.
			err = store.SaveAnswer(context.WithoutCancel(r.Context()), t, who, key, request, string(text))
		}
		if err != nil {
			h.log.Error("answer not kept: sent again, the request would be done again")
		}
	})
}

// recorded keeps what is answered beside sending it.
type recorded struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorded) WriteHeader(code int) {
	if r.status == 0 {
		r.status = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorded) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.body.Len() <= maxBody {
		r.body.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorded) Unwrap() http.ResponseWriter { return r.ResponseWriter }
