package flow

import (
	"fmt"
	"strings"
	"time"
)

// KindMail sends an e-mail.
const KindMail Kind = "mail"

// Mail hands a mail to the node's queue, which sends it when it can.
type Mail struct {
	To            []string // templates
	Subject, Text string   // templates
}

// MailJob is a mail with all variables in their place.
type MailJob struct {
	To            []string
	Subject, Text string
}

// Name implements Job.
func (*MailJob) Name() string { return "mail" }
func (*MailJob) job()         {}

// MailTimeout bounds the handing over; the sending takes its own time.
const MailTimeout = 5 * time.Second

const (
	maxMailText = 8000 // bytes of the template
	maxMailTo   = 10
)

// mail is {to, subject, text}.
func (p *parser) mail(path string, v any) Body {
	o, ok := p.object(path, v)
	if !ok {
		return &Mail{}
	}
	b := &Mail{To: o.strings("to"), Subject: o.template("subject")}
	if v, ok := o.take("text"); ok {
		s, isText := v.(string)
		switch {
		case !isText:
			p.fault(join(path, "text"), "want text, got %s", describe(v))
		case len(s) > maxMailText:
			p.fault(join(path, "text"), "longer than %d bytes", maxMailText)
		default:
			p.templateText(join(path, "text"), s)
			b.Text = s
		}
	}
	o.end()
	if len(b.To) == 0 || len(b.To) > maxMailTo {
		p.fault(join(path, "to"), "want 1 to %d addresses", maxMailTo)
	}
	for i, to := range b.To {
		p.templateText(fmt.Sprintf("%s.to[%d]", path, i), to)
		if !strings.ContainsAny(to, "@$") {
			p.fault(fmt.Sprintf("%s.to[%d]", path, i), "%q is no address", clip(to))
		}
	}
	if b.Subject == "" {
		p.fault(join(path, "subject"), "missing")
	}
	return b
}

func (b *Mail) tell(_ *Step, t *traits) {
	for i, to := range b.To {
		t.template(fmt.Sprintf("to[%d]", i), to)
	}
	t.template("subject", b.Subject)
	t.template("text", b.Text)
}
