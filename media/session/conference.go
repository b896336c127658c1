package session

// Role is what a leg hears in a conference and who hears it. The zero value is
// Talker's.
type Role struct {
	mode roleMode
	to   *Leg
}

type roleMode uint8

const (
	talker roleMode = iota
	listener
	whisper
)

// Talker hears all and is heard by all.
func Talker() Role { return Role{} }

// Listener hears all and is heard by nobody (monitor; mute).
func Listener() Role { return Role{mode: listener} }

// Whisper hears all and is heard only by to.
func Whisper(to *Leg) Role { return Role{mode: whisper, to: to} }

// Conference mixes legs: each hears all others but itself. Its methods post
// commands and return at once; they may be called from any goroutine.
type Conference struct {
	e     *Engine
	group uint64
}

// NewConference makes a conference that lives on group's worker. It costs nothing
// while nobody is in it and needs no end.
func (e *Engine) NewConference(group uint64) *Conference { return &Conference{e: e, group: group} }

// Add takes l into the conference, from a bridge, an echo or another conference.
// A leg of another group moves to the conference's.
func (c *Conference) Add(l *Leg, r Role) {}

// Remove takes l out; it is silent until something else is asked of it.
func (c *Conference) Remove(l *Leg) {}

// SetRole changes l's role without a gap.
func (c *Conference) SetRole(l *Leg, r Role) {}

// Play plays p to all, mixed with what they hear, in the place of what plays.
// done, which may be nil, is called with p.ID on the worker when it ended by itself.
func (c *Conference) Play(p Play, done func(id uint64)) {}

// StopPlay ends what plays to all.
func (c *Conference) StopPlay() {}

// Close takes all legs out and ends what plays.
func (c *Conference) Close() {}
