package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/centrala/centrala/pkg/api"
)

type voicemailCmd struct {
	List   voicemailListCmd   `cmd:"" help:"Messages, newest first." default:"withargs"`
	Get    voicemailGetCmd    `cmd:"" help:"A message's sound as a file: centrala voicemail get ID message.wav."`
	Mark   voicemailMarkCmd   `cmd:"" help:"Make a message new again, or saved: centrala voicemail mark ID new."`
	Delete voicemailDeleteCmd `cmd:"" help:"Remove a message and its sound."`
}

type voicemailListCmd struct {
	target
	Box   string `help:"Only of this box."`
	State string `help:"Only new or saved ones." enum:",new,saved" default:""`
	Limit int    `help:"How many, 1 to 500." default:"50"`
}

func (k voicemailListCmd) Run(c *cli) error {
	p, err := k.client().Voicemail(context.Background(), api.VoicemailFilter{Box: k.Box, State: k.State, Limit: k.Limit})
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(p)
	}
	return c.table("ID\tLEFT\tBOX\tSTATE\tLENGTH\tFROM\tNAME", func(w io.Writer) {
		for _, m := range p.Messages {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, clock(m.At), m.Box, m.State, seconds(m.DurationMs), dash(m.From), dash(m.Display))
		}
	})
}

type voicemailGetCmd struct {
	target
	ID   string `arg:"" help:"Message id."`
	File string `arg:"" help:"File to write; - is the standard output."`
}

func (k voicemailGetCmd) Run(c *cli) error {
	b, err := k.client().VoicemailSound(context.Background(), k.ID)
	if err != nil {
		return err
	}
	if k.File == "-" {
		_, err := c.out.Write(b)
		return err
	}
	return os.WriteFile(k.File, b, 0o640)
}

type voicemailMarkCmd struct {
	target
	ID    string `arg:"" help:"Message id."`
	State string `arg:"" help:"new or saved." enum:"new,saved"`
}

func (k voicemailMarkCmd) Run(*cli) error {
	_, err := k.client().MarkVoicemail(context.Background(), k.ID, k.State, "cli")
	return err
}

type voicemailDeleteCmd struct {
	target
	ID string `arg:"" help:"Message id."`
}

func (k voicemailDeleteCmd) Run(*cli) error {
	return k.client().DeleteVoicemail(context.Background(), k.ID, "cli")
}
