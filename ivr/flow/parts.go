package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Part is a piece of a text that leaves for the world outside: as it is, or the name of
// a secret of the tenant, which whoever does the job puts in its place. So a secret is
// in no state of a call, no journal and no log, and no value of a variable that looks
// like the name of one becomes it.
type Part struct {
	Text   string `json:"text,omitempty"`
	Secret string `json:"secret,omitempty"`
	// Quote is how the secret is to be written there.
	Quote Quote `json:"quote,omitempty"`
}

// Quote is a way to write a value into a text.
type Quote string

// The ways.
const (
	QuoteNone Quote = ""
	QuoteURL  Quote = "url"  // in a URL or form: all but letters, digits and -._~ as %XX (RFC 3986 2.3)
	QuoteJSON Quote = "json" // inside the quotes of a JSON text
)

// Write is v as it stands in the text.
func (q Quote) Write(v string) string {
	switch q {
	case QuoteURL:
		return strings.ReplaceAll(url.QueryEscape(v), "+", "%20")
	case QuoteJSON:
		b, _ := json.Marshal(v) // a string always can be
		return string(b[1 : len(b)-1])
	}
	return v
}

// secretPrefix begins the name of a secret in a template: ${secret.NAME}.
const secretPrefix = "secret."

// splitTemplate takes a template apart that may name secrets: what is between, and the
// names; name i stands behind between[i].
func splitTemplate(template string) (between, names []string, err error) {
	rest := template
	for {
		before, after, found := strings.Cut(rest, "$")
		if !found {
			return append(between, rest), names, nil
		}
		end := strings.IndexByte(after, '}')
		if !strings.HasPrefix(after, "{") || end < 0 {
			return nil, nil, errors.New(`a $ begins a variable: want ${name} or ${secret.name}`)
		}
		name := after[1:end]
		if secret, is := strings.CutPrefix(name, secretPrefix); is && !nameRE.MatchString(secret) || !is && !variableRE.MatchString(name) {
			return nil, nil, errors.New(`a $ begins a variable: want ${name} or ${secret.name}`)
		}
		between, names, rest = append(between, before), append(names, name), after[end+1:]
	}
}

// ExpandParts puts the values of variables into a template, written as quote says, and
// leaves the names of secrets. The template's own text stays as it is, but in JSON.
// Errors are lookup's.
func ExpandParts(template string, quote Quote, lookup func(name string) (string, error)) ([]Part, error) {
	between, names, err := splitTemplate(template)
	if err != nil {
		return nil, err
	}
	var out []Part
	text := func(s string) {
		switch n := len(out); {
		case s == "":
		case n > 0 && out[n-1].Secret == "":
			out[n-1].Text += s
		default:
			out = append(out, Part{Text: s})
		}
	}
	for i, s := range between {
		if quote == QuoteJSON {
			s = quote.Write(s)
		}
		text(s)
		if i == len(names) {
			break
		}
		if secret, is := strings.CutPrefix(names[i], secretPrefix); is {
			out = append(out, Part{Secret: secret, Quote: quote})
			continue
		}
		v, err := lookup(names[i])
		if err != nil {
			return nil, err
		}
		text(quote.Write(v))
	}
	return out, nil
}

// Join is the text of parts, with their secrets in place. secret returns false for a
// name that the tenant does not have.
func Join(parts []Part, secret func(name string) (string, bool)) (string, error) {
	var b strings.Builder
	for _, p := range parts {
		if p.Secret == "" {
			b.WriteString(p.Text)
			continue
		}
		v, ok := secret(p.Secret)
		if !ok {
			return "", fmt.Errorf("no secret %q", p.Secret)
		}
		b.WriteString(p.Quote.Write(v))
	}
	return b.String(), nil
}

// outward is a template that may name secrets; key is where it is written.
func (t *traits) outward(key, template string) {
	_, names, err := splitTemplate(template)
	if err != nil {
		return // told where it was read
	}
	for _, n := range names {
		if secret, is := strings.CutPrefix(n, secretPrefix); is {
			t.refers(refSecret, key, secret)
		} else {
			t.template(key, "${"+n+"}")
		}
	}
}

// outwardText reads a template that may name secrets.
func (p *parser) outwardText(path string, v any) string {
	s, ok := p.text(path, v)
	if !ok {
		return ""
	}
	if _, _, err := splitTemplate(s); err != nil {
		p.fault(path, "%v", err)
	}
	return s
}
