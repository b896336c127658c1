package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/media/stream"
)

// The sample greets, stops when the caller speaks, and gives its result.
func TestRobot(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(serve))
	defer srv.Close()
	c, err := stream.New(stream.Config{Allow: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop(context.Background())
	ended := make(chan stream.Result, 1)
	s, err := c.Open(stream.Options{ID: "s", Call: "c", URL: "ws" + strings.TrimPrefix(srv.URL, "http")}, func(e stream.Event) {
		if e, ok := e.(stream.Ended); ok {
			ended <- e.Result
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, 160)
	voice := make([]int16, 160)
	for i := range voice {
		voice[i] = int16(6000 * (1 - 2*(i/4%2)))
	}
	until := time.Now().Add(10 * time.Second)
	wait := func(what string, f func() bool) {
		t.Helper()
		for !f() {
			if time.Now().After(until) {
				t.Fatal(what)
			}
			time.Sleep(time.Millisecond)
		}
	}
	wait("no greeting", func() bool { return s.Speak(pcm) })
	heard := 1
	s.Hear(time.Now(), 0, true, 8000, 0, voice)
	wait("the greeting goes on", func() bool {
		for range 5 { // faster than the clock: 2 s would be over after 100
			if s.Speak(pcm) {
				heard++
				return false
			}
		}
		return true
	})
	if heard >= 100 {
		t.Error("the whole greeting was heard")
	}
	s.Key('0')
	select {
	case r := <-ended:
		if r.Outcome != stream.OutcomeEnded || r.Word != "agent" {
			t.Errorf("%+v", r)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no end")
	}
}
