package prompt

import (
	"testing"
	"time"
)

func TestWaitIsRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "wait_1", time.Minute: "wait_1", 61 * time.Second: "wait_2", 4 * time.Minute: "wait_4",
		6*time.Minute + 1: "wait_8", 59 * time.Minute: "wait_60", 61 * time.Minute: "wait_more"} {
		if got := Language("ro").Wait(d); len(got) != 1 || got[0].Name != want {
			t.Errorf("%s: %v, want %s", d, got, want)
		}
	}
}
