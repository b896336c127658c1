package session

import (
	"context"
	"net/netip"
	"time"

	"github.com/centrala/centrala/media/record"
)

type Engine struct{}
type Leg struct{}

func New(cfg Config) (*Engine, error)                        { return &Engine{}, nil }
func (e *Engine) Start(ctx context.Context) error            { return nil }
func (e *Engine) Stop(ctx context.Context) error             { return nil }
func (e *Engine) Open(o LegOptions) (*Leg, error)            { return &Leg{}, nil }
func (e *Engine) Do(group uint64, f func(now time.Time))     {}
func (l *Leg) Addr() netip.AddrPort                          { return netip.AddrPort{} }
func (l *Leg) Set(p Params)                                  {}
func (l *Leg) Play(p Play)                                   {}
func (l *Leg) StopPlay()                                     {}
func (l *Leg) Bridge(peer *Leg)                              {}
func (l *Leg) Unbridge()                                     {}
func (l *Leg) Echo(on bool)                                  {}
func (l *Leg) SendDigits(digits string)                      {}
func (l *Leg) Record(r *record.Recording, ch record.Channel) {}
func (l *Leg) Stats(reply func(Stats))                       {}
func (l *Leg) Close(reply func(Stats))                       {}
