package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// callFilter reads what calls are searched for.
func callFilter(r *http.Request) (CallFilter, error) {
	f, err := filter(r)
	if err != nil {
		return f, err
	}
	q := r.URL.Query()
	f.Result, f.Reason, f.Disposition, f.Text = q.Get("result"), q.Get("reason"), q.Get("disposition"), strings.TrimSpace(q.Get("text"))
	if len(f.Text) > 200 {
		return f, fmt.Errorf("%w: text: more than 200 bytes", ErrInvalid)
	}
	// People write 0722 123-456 and +40 722 123456: what counts are the digits.
	if n := q.Get("number"); n != "" {
		f.Number = strings.Map(func(c rune) rune {
			if c < unicode.MaxASCII && unicode.IsDigit(c) {
				return c
			}
			return -1
		}, n)
		f.Number = strings.TrimPrefix(f.Number, "00")
		if len(f.Number) > 9 { // a national number begins with 0, the same from abroad does not
			f.Number = strings.TrimLeft(f.Number, "0")
		}
		if len(f.Number) < 3 || len(f.Number) > 32 {
			return f, fmt.Errorf("%w: number %q: want 3 to 32 digits", ErrInvalid, cutText(n, 64))
		}
	}
	for name, to := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if s := q.Get(name); s != "" {
			if *to, err = time.Parse(time.RFC3339, s); err != nil {
				return f, fmt.Errorf("%w: %s %q: want a time such as 2026-11-23T08:00:00Z", ErrInvalid, name, cutText(s, 64))
			}
		}
	}
	for name, to := range map[string]*int64{"min_ms": &f.MinMs, "max_ms": &f.MaxMs} {
		if s := q.Get(name); s != "" {
			if *to, err = strconv.ParseInt(s, 10, 64); err != nil || *to < 0 {
				return f, fmt.Errorf("%w: %s %q: want milliseconds", ErrInvalid, name, cutText(s, 64))
			}
		}
	}
	f.Recorded, err = flag(r, "recorded")
	return f, err
}
