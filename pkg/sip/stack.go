// Package sip skeleton.
package sip

import (
	"context"
	"net/netip"
)

type network interface{}

type Stack struct{}

func New(cfg Config, d Deps) (*Stack, error)                                 { return nil, nil }
func (s *Stack) Start(ctx context.Context) error                             { return nil }
func (s *Stack) Stop(ctx context.Context) error                              { return nil }
func (s *Stack) Drain(on bool)                                               {}
func (s *Stack) LocalAddr(transport string) netip.AddrPort                   { return netip.AddrPort{} }
func (s *Stack) Contacts(tenant, device string) []Target                     { return nil }
func (s *Stack) Dial(r DialRequest, sink func(DialogEvent)) (*Dialog, error) { return nil, nil }
func ParseTarget(uri string) (Target, error)                                 { return Target{}, nil }

type Dialog struct{}

func (d *Dialog) SIPCallID() string                                 { return "" }
func (d *Dialog) SetSink(sink func(DialogEvent))                    {}
func (d *Dialog) Progress(code int, sdp []byte)                     {}
func (d *Dialog) Accept(sdp []byte)                                 {}
func (d *Dialog) Reject(code int, reason string, headers ...Header) {}
func (d *Dialog) Reoffer(sdp []byte)                                {}
func (d *Dialog) Answer(sdp []byte)                                 {}
func (d *Dialog) RefuseOffer(code int)                              {}
func (d *Dialog) Info(contentType string, body []byte)              {}
func (d *Dialog) End(reason string, headers ...Header)              {}
