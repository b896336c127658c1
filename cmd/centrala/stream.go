package main

import (
	"context"
	"errors"

	"github.com/centrala/centrala/pkg/api"
)

type callStreamCmd struct {
	target
	ID        string   `arg:"" help:"Call id."`
	URL       string   `arg:"" optional:"" help:"Where the machine is: wss://, ws://, tls:// or tcp://."`
	Stop      bool     `help:"End the call's streams, or the one that --stream names."`
	Stream    string   `help:"With --stop: the stream's id, as the call's events name it."`
	Protocol  string   `help:"centrala, or audiosocket by tls and tcp." default:"centrala" enum:"centrala,audiosocket"`
	Direction string   `help:"What the machine does: both, listen or speak." default:"both" enum:"both,listen,speak"`
	Tracks    []string `help:"Whom it hears: caller, agent (both with a comma), or mixed." default:"caller"`
	Format    string   `help:"pcm16, pcmu or pcma." default:"pcm16" enum:"pcm16,pcmu,pcma"`
	Rate      int      `help:"8000, or 16000 with pcm16." default:"8000"`
}

func (k callStreamCmd) Run(*cli) error {
	cmd := api.CallCommand{Action: "stream_stop", Leg: -1, Target: k.Stream, By: "cli"}
	switch {
	case k.Stop && k.URL != "":
		return errors.New("want a URL or --stop, not both")
	case !k.Stop && k.URL == "":
		return errors.New("want the URL of the machine, or --stop")
	case !k.Stop && k.Stream != "":
		return errors.New("--stream is for --stop")
	case !k.Stop:
		cmd.Action = "stream"
		cmd.Stream = &api.StreamRequest{URL: k.URL, Protocol: k.Protocol, Direction: k.Direction, Tracks: k.Tracks, Format: k.Format, Rate: k.Rate}
	}
	return k.client().CommandCall(context.Background(), k.ID, cmd)
}
