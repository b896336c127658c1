package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestHealthTellsWhatIsMissing(t *testing.T) {
	var broken error
	s := NewServer(NewRegistry("v1"), []Check{{Name: "node", Ask: func() error { return nil }}, {Name: "store", Ask: func() error { return broken }}, {Name: "room", Detail: func() string { return "half full" }}}, false, zap.NewNop())
	if err := s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(context.Background())
	base := "http://" + s.Addr().String()
	if code, body := get(t, base+"/readyz"); code != 200 || body != "ok\n" {
		t.Fatalf("%d %q", code, body)
	}
	broken = errors.New("disk full")
	if code, body := get(t, base+"/healthz"); code != 503 || !strings.Contains(body, "store: disk full") {
		t.Fatalf("%d %q", code, body)
	}
	if code, _ := get(t, base+"/livez"); code != 200 {
		t.Fatal("a broken store is no reason to kill the process")
	}
	_, body := get(t, base+"/readyz?verbose")
	var list []map[string]any
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) != 3 || list[1]["ok"] != false || list[2]["ok"] != true || list[2]["detail"] != "half full" {
		t.Fatalf("%v %s", err, body)
	}
	if _, body := get(t, base+"/metrics"); !strings.Contains(body, `centrala_build_info{go=`) {
		t.Fatal("no build info")
	}
	if code, _ := get(t, base+"/debug/pprof/"); code != 404 {
		t.Fatal("pprof served unasked")
	}
}

func TestMetricsPassTheLinter(t *testing.T) {
	problems, err := testutil.GatherAndLint(NewRegistry("v1"))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
}

func TestLogIsJSONOffATerminalAndEscapes(t *testing.T) {
	var out bytes.Buffer
	log, level, err := NewLogger(&out, "info", "auto")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("call started", zap.String("from", "evil\n{\"level\":\"error\"}"))
	log.Debug("hidden")
	level.SetLevel(zap.DebugLevel)
	log.Debug("shown")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %q", len(lines), out.String())
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Fatalf("not JSON: %q", l)
		}
	}
	if _, _, err := NewLogger(&out, "loud", "json"); err == nil {
		t.Fatal("level \"loud\" was taken")
	}
}
