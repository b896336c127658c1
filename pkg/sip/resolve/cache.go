package resolve

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// cached looks into the cache alone.
func (r *Resolver) cached(q question) (entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.cache[q]
	if !ok || !r.cfg.Now().Before(e.until) {
		return entry{}, false
	}
	return e, true
}

// ask answers from the cache, or asks DNS once for all who want to know.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16) ([]dns.RR, error) {
	q := question{name, qtype}
	if e, ok := r.cached(q); ok {
		return e.records, e.err
	}
	// The flight belongs to nobody's context alone: who gives up leaves the others be.
	ch := r.flight.DoChan(fmt.Sprintf("%d %s", qtype, name), func() (any, error) {
		fctx, cancel := context.WithTimeout(r.cfg.Context, askTimeout)
		defer cancel()
		e := r.fetch(fctx, q)
		r.keep(q, e)
		return e, nil
	})
	select {
	case res := <-ch:
		e := res.Val.(entry)
		return e.records, e.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, ctx.Err())
	}
}

// askTimeout bounds one question: a server tried twice, and a second one.
const askTimeout = 8 * time.Second

// fetch asks DNS and picks the records of the type out of the answer, along its
// CNAMEs; a CNAME that leads out of the answer is followed.
func (r *Resolver) fetch(ctx context.Context, q question) entry {
	now := r.cfg.Now()
	e := entry{until: now.Add(r.cfg.Most)}
	shorten := func(ttl uint32) {
		// RFC 2181 8: the top bit set counts as 0.
		if ttl >= 1<<31 {
			ttl = 0
		}
		d := min(max(time.Duration(ttl)*time.Second, r.cfg.Least), r.cfg.Most)
		if until := now.Add(d); until.Before(e.until) {
			e.until = until
		}
	}
	name := q.name
	for range maxCNAME {
		m, err := r.cfg.DNS.Query(ctx, name, q.qtype)
		if err == nil && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			err = fmt.Errorf("it says %s", dns.RcodeToString[m.Rcode])
		}
		if err != nil {
			// A moment only: DNS being away must not be remembered for long, nor
			// be asked anew by each call.
			return entry{err: fmt.Errorf("%w: %w", ErrNoAnswer, err), until: now.Add(r.cfg.Least)}
		}
		owner := name
		for range maxCNAME {
			next := ""
			for _, rr := range m.Answer {
				h := rr.Header()
				if !strings.EqualFold(h.Name, owner) {
					continue
				}
				switch c := rr.(type) {
				case *dns.CNAME:
					next = dns.CanonicalName(c.Target)
					shorten(h.Ttl)
				default:
					if h.Rrtype == q.qtype {
						e.records = append(e.records, rr)
						shorten(h.Ttl)
					}
				}
			}
			if len(e.records) > 0 || next == "" {
				break
			}
			owner = next
		}
		if len(e.records) > 0 {
			return e
		}
		if owner == name || m.Rcode == dns.RcodeNameError {
			// RFC 2308 5: a refusal lives as long as the smaller of the SOA's TTL and minimum.
			ttl := r.cfg.Negative
			for _, rr := range m.Ns {
				if soa, ok := rr.(*dns.SOA); ok {
					ttl = min(time.Duration(min(soa.Minttl, soa.Hdr.Ttl))*time.Second, r.cfg.Most)
				}
			}
			until := now.Add(max(ttl, r.cfg.Least))
			if e.until.Before(until) {
				until = e.until
			}
			return entry{err: ErrNoRecord, until: until}
		}
		name = owner
	}
	return entry{err: ErrNoRecord, until: now.Add(r.cfg.Negative)}
}

// keep stores an answer; a full cache forgets what is over, then what is
// nearest to its end among a few.
func (r *Resolver) keep(q question, e entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, have := r.cache[q]; !have && len(r.cache) >= r.cfg.MaxEntries {
		now := r.cfg.Now()
		var victim question
		var first time.Time
		n := 0
		for k, old := range r.cache {
			if !now.Before(old.until) {
				victim, first = k, old.until
				break
			}
			if first.IsZero() || old.until.Before(first) {
				victim, first = k, old.until
			}
			if n++; n == 16 {
				break
			}
		}
		delete(r.cache, victim)
	}
	r.cache[q] = e
}

// Len is the number of cached answers.
func (r *Resolver) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.cache)
}
