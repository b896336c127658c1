package selftest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/centrala/centrala/pkg/load/robot"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestNobodyThere: words that help, an error, and an end well before the limit.
func TestNobodyThere(t *testing.T) {
	e, err := robot.Listen(robot.Config{})
	if err != nil {
		t.Fatal(err)
	}
	dead := e.Addr()
	e.Close()
	var out strings.Builder
	began := time.Now()
	err = Run(context.Background(), Options{Server: dead, Number: "100", Out: &out})
	if !errors.Is(err, ErrFailed) || !strings.Contains(out.String(), "FAIL  the server answers") {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if time.Since(began) > 10*time.Second {
		t.Fatal("took", time.Since(began))
	}
}

// TestRefusedRegistration: a server that knows nobody stops the test at the
// registration, and the test does not go on to call.
func TestRefusedRegistration(t *testing.T) {
	called := false
	srv, err := robot.Listen(robot.Config{Incoming: func(c *robot.Call) { called = true; c.Reject(404, "Not Found") }})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	var out strings.Builder
	err = Run(context.Background(), Options{Server: srv.Addr(), AgentTransport: "udp", Number: "100", Caller: robot.Account{User: "anna", Password: "x"}, Out: &out})
	if !errors.Is(err, ErrFailed) || called || !strings.Contains(out.String(), "FAIL  the caller's phone registers") {
		t.Fatalf("%v, called %v\n%s", err, called, out.String())
	}
}
