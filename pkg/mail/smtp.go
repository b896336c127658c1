package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// How a mail server is spoken to.
const (
	TLSStart    = "starttls" // by the port of submission, then TLS, or not at all
	TLSImplicit = "tls"      // TLS from the first byte
	TLSNone     = "none"     // in clear: a relay on this machine
)

// SMTP is a mail server that takes what the house sends.
type SMTP struct {
	Host     string
	Port     int
	TLS      string // TLSStart, TLSImplicit, TLSNone
	From     string // address that mails are from
	Name     string // beside it
	User     string // "" = without authentication
	Password string
	Roots    *x509.CertPool // nil: those of the system
}

// ParseServer reads "host:port", or "host" with the port that goes with tls.
func ParseServer(s, tls string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		host, p = s, map[string]string{TLSStart: "587", TLSImplicit: "465", TLSNone: "25"}[tls]
	}
	if port, err = strconv.Atoi(p); err != nil || port < 1 || port > 65535 || host == "" || strings.ContainsAny(host, " /@") {
		return "", 0, fmt.Errorf("%q; want host:port such as mail.example.com:587", s)
	}
	return host, port, nil
}

// Deliver implements Sender.
func (s SMTP) Deliver(ctx context.Context, id string, m Message) error {
	msg, err := s.compose(id, m)
	if err != nil {
		return Permanent{err}
	}
	opts := []gomail.Option{gomail.WithPort(s.Port), gomail.WithTLSConfig(&tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12})}
	switch s.TLS {
	case TLSImplicit:
		opts = append(opts, gomail.WithSSL())
	case TLSNone:
		opts = append(opts, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User != "" {
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(s.User), gomail.WithPassword(s.Password))
	}
	c, err := gomail.NewClient(s.Host, opts...)
	if err != nil {
		return err
	}
	if err := c.DialAndSendWithContext(ctx, msg); err != nil {
		var refused *gomail.SendError
		if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
			return Permanent{fmt.Errorf("mail: refused: %w", err)}
		}
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

// compose writes the e-mail. Its Message-ID is the same at each try, so that a server
// that took it and could not say so is not sent a second one that looks new.
func (s SMTP) compose(id string, m Message) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := msg.FromFormat(s.Name, s.From); err != nil {
		return nil, err
	}
	if err := msg.To(m.To...); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(s.From, "@")
	msg.SetMessageIDWithValue(id + "@" + domain)
	msg.SetDate()
	msg.Subject(m.Subject)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 5: no vacation notices, please
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	for _, a := range m.Attachments {
		msg.AttachFile(a.Path, gomail.WithFileName(a.Name))
	}
	return msg, nil
}
