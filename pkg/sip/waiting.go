package sip

import (
	"github.com/emiago/sipgo/sip"
	"go.uber.org/zap"

	"github.com/centrala/centrala/pkg/sip/subscription"
)

// TellMessageWaiting sends NOTIFYs of message-summary outside of any subscription to
// every contact of a device, for phones that show their lamp by that alone (RFC 3842
// knows it not; Asterisk and others do it, and old phones expect it). It waits for no
// answer and never blocks; account is the user that the phone registers.
func (s *Stack) TellMessageWaiting(tenant, device, account string, newCount, oldCount int) {
	for _, c := range s.Contacts(tenant, device) {
		id := s.newToken(2)
		sh := s.shardOf(id)
		sh.do(func() { sh.tellWaiting(c, id, account, subscription.Messages{New: newCount, Old: oldCount}) })
	}
}

// tellWaiting sends one of them. Owner of its Call-ID.
func (sh *shard) tellWaiting(c Target, id, account string, m subscription.Messages) {
	s := sh.s
	u, ok := parseURI(c.URI)
	if !ok || s.stopping.Load() {
		return
	}
	c.flow = true // a phone behind NAT is not dialled
	h, err := s.hopTo(c)
	if err != nil {
		s.log.Debug("message lamp not told", zap.String("to", account), zap.Error(err))
		return
	}
	req := sip.NewRequest(sip.NOTIFY, u)
	req.Recipient.Headers = nil
	add := func(name, value string) { req.AppendHeader(sip.NewHeader(name, value)) }
	for _, r := range c.Routes {
		add("Route", "<"+r+">")
	}
	mf := sip.MaxForwardsHeader(70)
	req.AppendHeader(&mf)
	contact := s.contact(h, u.Scheme == "sips")
	add("From", "<"+contact+">;tag="+string(sh.rand.token(nil, 1)))
	add("To", "<"+u.String()+">")
	callID := sip.CallIDHeader(id)
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.NOTIFY})
	add("Contact", "<"+contact+">")
	add("Event", subscription.MessageSummary)
	add("Subscription-State", "terminated")
	if s.cfg.UserAgent != "" {
		add("User-Agent", s.cfg.UserAgent)
	}
	add("Content-Type", subscription.ContentType(subscription.MessageSummary))
	req.SetBody(subscription.MessageSummaryBody("sip:"+account+"@"+h.host(), m))
	branch := sh.branch()
	sh.via(req, h, branch)
	s.met.notifies.Inc()
	sh.startFor(req, h, branch, func(*sip.Response, bool) {})
}
