package app_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/api/feed"
	"github.com/centrala/centrala/pkg/auth"
	"github.com/centrala/centrala/pkg/auth/account"
	"github.com/centrala/centrala/pkg/event"
	"github.com/centrala/centrala/pkg/store"
)

// noApp is an application of which events alone are asked.
type noApp struct{ api.Server }

func (noApp) Status(context.Context) (api.Status, error) { return api.Status{}, nil }

type noUsers struct{}

func (noUsers) AuthUser(string, string) (auth.User, bool) { return auth.User{}, false }

// BenchmarkListeners: 2,000 listeners over HTTP with a key, a journal on disk that
// commits every 50 ms. An operation is one event that all 2,000 hear; 50 come each
// second. Reported are the times from Append to the line at the listener, clients and
// server in this one process.
func BenchmarkListeners(b *testing.B) {
	const listeners, rate = 2000, 50
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur < 2*listeners+200 {
		b.Skipf("%d files may be open", limit.Cur)
	}
	s, err := store.Open(b.Context(), b.TempDir()+"/c.db", store.Options{FlushEvery: 50 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(context.Background())
	accounts, err := auth.New(b.Context(), auth.Config{}, s, noUsers{})
	if err != nil {
		b.Fatal(err)
	}
	secret, _, err := accounts.NewKey(b.Context(), account.Key{Tenant: "default", Name: "wall", Role: "api"})
	if err != nil {
		b.Fatal(err)
	}
	h := api.New(noApp{}, nil)
	h.SetAccounts(accounts)
	f := feed.New(s)
	f.Start()
	h.SetFeed(f)
	w := api.NewWeb(h, api.WebConfig{}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	w.Serve(l, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex
	var took []time.Duration
	var open, heard atomic.Int64
	var wg sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, MaxIdleConnsPerHost: listeners}}
	for i := range listeners {
		if i%400 == 399 {
			time.Sleep(2 * time.Second) // a key may ask 200 times a second
		}
		wg.Go(func() {
			req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+l.Addr().String()+"/api/v1/events", nil)
			req.Header.Set("Authorization", "Bearer "+secret)
			res, err := client.Do(req)
			if err != nil || res.StatusCode != 200 {
				b.Errorf("listener: %v %v", err, res)
				return
			}
			defer res.Body.Close()
			open.Add(1)
			var mine []time.Duration
			for sc := bufio.NewScanner(res.Body); sc.Scan(); {
				if at, ok := strings.CutPrefix(sc.Text(), "data: "); ok {
					_, rest, _ := strings.Cut(at, `"from":"`)
					var nano int64
					fmt.Sscan(rest[:strings.IndexByte(rest, '"')], &nano)
					mine = append(mine, time.Since(time.Unix(0, nano)))
					heard.Add(1)
				}
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	for open.Load() < listeners && !b.Failed() {
		time.Sleep(10 * time.Millisecond)
	}
	b.ResetTimer()
	var before, after syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	tick := time.NewTicker(time.Second / rate)
	for range b.N {
		<-tick.C
		now := time.Now()
		s.Append(event.Event{At: now, Tenant: "default", CallID: "c", Body: event.CallStarted{From: fmt.Sprint(now.UnixNano())}})
	}
	for end := time.Now().Add(10 * time.Second); heard.Load() < int64(b.N)*listeners && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	b.StopTimer()
	tick.Stop()
	cancel()
	wg.Wait()
	w.Stop(context.Background())
	h.Stop(context.Background())
	f.Stop(context.Background())
	client.CloseIdleConnections()
	slices.Sort(took)
	if len(took) != b.N*listeners {
		b.Fatalf("%d of %d events heard", len(took), b.N*listeners)
	}
	cpu := func(u syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "ms-p99")
	b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "ms-max")
	b.ReportMetric((cpu(after)-cpu(before)).Seconds()/(float64(b.N)/rate), "cores")
}
