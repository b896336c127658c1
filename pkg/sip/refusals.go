package sip

import (
	"hash/maphash"
	"time"
)

// refusals remembers for a while which new calls a busy node refused, without a
// transaction for each. Each key has a few places; the newest refusals stay. A
// call that was pushed out is asked about again, and one in 2^60 is refused for
// another's sake.
type refusals struct {
	places [][refusalWays]refusal // made at the first refusal: 1 MB
	seed   maphash.Seed
}

type refusal struct {
	key uint64
	at  time.Duration // since the shard began
}

const (
	refusalRows = 1 << 14
	refusalWays = 4
	// An INVITE is sent again for 64*T1 (RFC 3261 17.1.1.2, timer B).
	refusalFor = 32 * time.Second
)

func (r *refusals) row(key []byte) (*[refusalWays]refusal, uint64) {
	sum := maphash.Bytes(r.seed, key) | 1 // 0 is a free place
	return &r.places[sum>>1%refusalRows], sum
}

// note remembers the transaction key at now.
func (r *refusals) note(key []byte, now time.Duration) {
	if r.places == nil {
		r.places, r.seed = make([][refusalWays]refusal, refusalRows), maphash.MakeSeed()
	}
	row, sum := r.row(key)
	oldest := 0
	for i := range row {
		if row[i].key == 0 || row[i].at < row[oldest].at {
			oldest = i
		}
		if row[i].key == 0 {
			break
		}
	}
	row[oldest] = refusal{sum, now}
}

// has reports whether the transaction key was refused a short time before now.
func (r *refusals) has(key []byte, now time.Duration) bool {
	if r.places == nil {
		return false
	}
	row, sum := r.row(key)
	for i := range row {
		if row[i].key == sum {
			return now-row[i].at < refusalFor
		}
	}
	return false
}
