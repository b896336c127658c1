package app

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/centrala/centrala/media/stream"
	"github.com/centrala/centrala/pkg/api"
)

// minSecret is the least length of the secret that signs streams, in bytes.
const minSecret = 16

// startStreams makes the client of streams to machines.
func (a *App) startStreams(context.Context) error {
	c := a.cfg.Media.Stream
	var secret []byte
	if c.SecretFile != "" {
		b, err := os.ReadFile(a.cfg.Beside(c.SecretFile))
		if err != nil {
			return fmt.Errorf("media.stream.secret_file: %w", err)
		}
		if secret = bytes.TrimSpace(b); len(secret) < minSecret {
			return fmt.Errorf("media.stream.secret_file: shorter than %d bytes", minSecret)
		}
	}
	s, err := stream.New(stream.Config{Max: c.Max, Allow: c.Allow, Secret: secret, Connect: c.Connect.D(), Log: a.log.Named("stream"), Registerer: a.opts.Registerer})
	if err != nil {
		return fmt.Errorf("media.stream.allow: %w", err)
	}
	a.streams = s
	a.onStop("streams", s.Stop)
	return nil
}

// streamOptions reads what the API was asked for.
func streamOptions(in *api.StreamRequest) (*stream.Options, error) {
	if in == nil {
		return nil, fmt.Errorf("%w: no stream is described", api.ErrInvalid)
	}
	o := stream.Options{URL: in.URL, Protocol: in.Protocol, Direction: in.Direction, Format: stream.Format(in.Format), Rate: in.Rate}
	for _, name := range in.Tracks {
		t, ok := stream.TrackByName(name)
		if !ok || len(in.Tracks) > 3 {
			return nil, fmt.Errorf("%w: tracks: want caller, agent or mixed", api.ErrInvalid)
		}
		o.Tracks = append(o.Tracks, t)
	}
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	return &o, nil
}
