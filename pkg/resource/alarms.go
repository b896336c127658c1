package resource

import "github.com/centrala/centrala/pkg/alarm"

// AlarmsSpec are a queue's bounds: past one of them an alarm is raised, on the wall, in
// the journal (alarm.raised) and to webhooks. What is left out is no bound.
type AlarmsSpec struct {
	// Waiting: more callers than this wait.
	Waiting int `yaml:"waiting,omitempty"`
	// LongestWait: a caller waits longer than this.
	LongestWait Duration `yaml:"longest_wait,omitempty"`
	// ServiceLevel: of the running quarter of an hour and the one before less than this
	// share was answered in time, in percent; counted from the fifth caller on.
	ServiceLevel int `yaml:"service_level,omitempty"`
	// Ready: fewer agents than this are free, while somebody waits or is logged in.
	Ready int `yaml:"ready,omitempty"`
	// After: what is past its bound must stay so this long first; default 0s.
	After Duration `yaml:"after,omitempty"`
}

// Rules are the bounds as pkg/alarm takes them; of none, none.
func (a *AlarmsSpec) Rules() alarm.Rules {
	if a == nil {
		return alarm.Rules{}
	}
	return alarm.Rules{Waiting: a.Waiting, LongestWait: a.LongestWait.D(), ServiceLevel: a.ServiceLevel, Ready: a.Ready, After: a.After.D()}
}

func (c *checker) alarms(r ref, a *AlarmsSpec) {
	if a == nil {
		return
	}
	for _, f := range []struct {
		field string
		value int
		most  int
	}{{"waiting", a.Waiting, 100_000}, {"service_level", a.ServiceLevel, 100}, {"ready", a.Ready, 100_000}} {
		if f.value < 0 || f.value > f.most {
			c.fault(r, "alarms."+f.field, "%d; want from 1 to %d, or leave it out", f.value, f.most)
		}
	}
	c.must(r, "alarms.longest_wait", badDuration(a.LongestWait, "0s", "24h"))
	c.must(r, "alarms.after", badDuration(a.After, "0s", "1h"))
}
