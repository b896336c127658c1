// Package telemetry is what ops see of a node: log, metrics and health. It
// makes the logger and the registry that the rooms are given, and serves them.
package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes to w at level ("debug", "info", "warn", "error"). Format is
// "json", "console", or "auto": console on a terminal, JSON elsewhere. The
// returned AtomicLevel changes the level while the node runs.
func NewLogger(w io.Writer, level, format string) (*zap.Logger, zap.AtomicLevel, error) {
	at, err := zap.ParseAtomicLevel(level)
	if err != nil {
		return nil, at, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	cfg := zap.NewProductionEncoderConfig()
	cfg.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	cfg.EncodeDuration = zapcore.StringDurationEncoder
	cfg.TimeKey = "time"
	enc := zapcore.NewJSONEncoder(cfg)
	if format == "console" || format == "auto" && isTerminal(w) {
		cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncodeLevel = zapcore.CapitalLevelEncoder
		enc = zapcore.NewConsoleEncoder(cfg)
	}
	out := zapcore.Lock(zapcore.AddSync(w))
	return zap.New(zapcore.NewCore(enc, out, at), zap.ErrorOutput(out)), at, nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// NewRegistry holds the process's own figures and the build's.
func NewRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "centrala_build_info", Help: "Which build runs; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	r.MustRegister(build)
	return r
}

// Check is one named question of readiness: nil is yes. Detail, which may be nil,
// says more in the verbose answer, whatever Ask says.
type Check struct {
	Name   string
	Ask    func() error
	Detail func() string
}

// Server serves /metrics, /livez, /readyz and /healthz.
type Server struct {
	http *http.Server
	log  *zap.Logger
	wg   sync.WaitGroup
	addr net.Addr
}

// NewServer makes a server; Start binds it. withPprof adds /debug/pprof, which
// strangers must not reach.
func NewServer(g prometheus.Gatherer, checks []Check, withPprof bool, log *zap.Logger) *Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", ready(checks))
	mux.HandleFunc("GET /healthz", ready(checks))
	if withPprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return &Server{http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}, log: log}
}

// ready answers 200 "ok", or 503 with what is missing; ?verbose lists every
// check as JSON.
func ready(checks []Check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		type result struct {
			Name   string `json:"name"`
			OK     bool   `json:"ok"`
			Error  string `json:"error,omitempty"`
			Detail string `json:"detail,omitempty"`
		}
		results := make([]result, 0, len(checks))
		status := http.StatusOK
		for _, c := range checks {
			res := result{Name: c.Name, OK: true}
			if c.Ask != nil {
				if err := c.Ask(); err != nil {
					res.OK, res.Error, status = false, err.Error(), http.StatusServiceUnavailable
				}
			}
			if c.Detail != nil {
				res.Detail = c.Detail()
			}
			results = append(results, res)
		}
		if r.URL.Query().Has("verbose") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(results)
			return
		}
		w.WriteHeader(status)
		if status == http.StatusOK {
			io.WriteString(w, "ok\n")
			return
		}
		for _, res := range results {
			if !res.OK {
				fmt.Fprintf(w, "%s: %s\n", res.Name, res.Error)
			}
		}
	}
}

// Start binds addr and serves.
func (s *Server) Start(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("http.listen %q: %w", addr, err)
	}
	s.addr = l.Addr()
	s.wg.Go(func() {
		if err := s.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("metrics listener stopped", zap.Error(err))
		}
	})
	return nil
}

// Addr is the address bound.
func (s *Server) Addr() net.Addr { return s.addr }

// Stop ends within ctx and waits. Safe to call twice.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.http.Close()
	}
	s.wg.Wait()
	return err
}
