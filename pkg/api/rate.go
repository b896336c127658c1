package api

import (
	"net/netip"
	"sync"
	"time"

	"github.com/centrala/centrala/pkg/auth"
)

// limiter bounds requests by who asks, and strangers by where they come from: a
// bucket that fills steadily and takes a burst.
type limiter struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	now     func() time.Time
}

type bucket struct {
	left  float64
	at    time.Time
	fails int
}

// Rates, requests a second, and how many at once. A busy supervisor's page needs
// some ten a second; a program with a key may need more.
const (
	rateUser, burstUser     = 50, 200
	rateKey, burstKey       = 200, 500
	rateStranger, burstAddr = 10, 60
	maxBuckets              = 20000
	badKeys                 = 20 // wrong keys of one source before it waits
	badKeyWait              = time.Minute
	bucketIdle              = 5 * time.Minute
)

func newLimiter() *limiter { return &limiter{buckets: map[string]*bucket{}, now: time.Now} }

// take uses one request up; more than 0: so long until the next is free.
func (l *limiter) take(p *auth.Principal, source netip.Addr) time.Duration {
	key, rate, burst := "addr "+source.String(), float64(rateStranger), float64(burstAddr)
	if p != nil {
		key, rate, burst = p.Tenant+"/"+p.Name, rateUser, burstUser
		if p.Session == "" {
			rate, burst = rateKey, burstKey
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	b := l.bucket(key, now, burst)
	b.left = min(burst, b.left+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.left < 1 {
		return time.Duration((1 - b.left) / rate * float64(time.Second))
	}
	b.left--
	return 0
}

func (l *limiter) bucket(key string, now time.Time, burst float64) *bucket {
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			for k, v := range l.buckets {
				if now.Sub(v.at) > bucketIdle {
					delete(l.buckets, k)
				}
			}
			if len(l.buckets) >= maxBuckets {
				clear(l.buckets)
			}
		}
		b = &bucket{left: burst, at: now}
		l.buckets[key] = b
	}
	return b
}

// failed notes a key that is none; braked is how long its source waits after many.
func (l *limiter) failed(source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket("key "+source.String(), l.now(), 0)
	b.fails++
	b.at = l.now()
}

func (l *limiter) braked(source netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets["key "+source.String()]
	if b == nil {
		return 0
	}
	wait := b.at.Add(badKeyWait).Sub(l.now())
	if wait <= 0 {
		b.fails = 0
		return 0
	}
	if b.fails < badKeys {
		return 0
	}
	return wait
}
