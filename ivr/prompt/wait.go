package prompt

import (
	"strconv"
	"time"
)

// WaitSteps are the minutes that Wait has sentences for.
var WaitSteps = []int{1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 45, 60}

// Wait speaks how long it will take: "about four minutes". It is rounded up to one
// of WaitSteps, never down: who is told less than it takes feels cheated.
func (l Language) Wait(d time.Duration) []Phrase {
	for _, n := range WaitSteps {
		if d <= time.Duration(n)*time.Minute {
			return []Phrase{{Name: "wait_" + strconv.Itoa(n)}}
		}
	}
	return []Phrase{{Name: "wait_more"}}
}
