package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/client"
)

func (f *fake) Bans(context.Context) ([]api.Ban, error) {
	return []api.Ban{{Source: "192.0.2.7/32", Reason: "guessing"}}, f.note("bans")
}
func (f *fake) AddBan(_ context.Context, source string, d time.Duration) (api.Ban, error) {
	return api.Ban{Source: source}, f.note("ban %s %s", source, d)
}
func (f *fake) LiftBan(_ context.Context, source string) error { return f.note("lift %s", source) }

func TestBans(t *testing.T) {
	f := &fake{}
	path, c := open(t, f)
	cl := client.Unix(path, "default")
	if list, err := cl.Bans(t.Context()); err != nil || len(list) != 1 || list[0].Reason != "guessing" {
		t.Errorf("%+v, %v", list, err)
	}
	if b, err := cl.AddBan(t.Context(), "192.0.2.8", 2*time.Hour); err != nil || b.Source != "192.0.2.8" || f.last() != "ban 192.0.2.8 2h0m0s" {
		t.Errorf("%+v, %v, asked %q", b, err, f.last())
	}
	if err := cl.LiftBan(t.Context(), "192.0.2.7/32"); err != nil || f.last() != "lift 192.0.2.7/32" {
		t.Errorf("%v, asked %q", err, f.last())
	}
	n := len(f.asked)
	for _, body := range []string{`{"source":"192.0.2.8","seconds":-1}`, `{"source":"192.0.2.8","seconds":9223372036854775807}`, `{"address":"192.0.2.8"}`, ``} {
		if got := ask(t, c, http.MethodPost, "/api/v1/bans", body); got.status != 422 {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	if got := ask(t, c, http.MethodPost, "/api/v1/bans/lift", `{"source":"a","all":true}`); got.status != 422 || len(f.asked) != n {
		t.Errorf("%d, asked %s", got.status, strings.Join(f.asked[n:], ", "))
	}
}
