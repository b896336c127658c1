package api

import (
	"context"
	"time"
)

// Schedules tells what is open, and closes by hand.
type Schedules interface {
	// Schedules lists them as they are at a moment; zero = now.
	Schedules(ctx context.Context, tenant string, at time.Time) ([]Schedule, error)
	Schedule(ctx context.Context, tenant, name string, at time.Time) (Schedule, error)
	// CloseSchedule closes one whatever its hours, until a time or until it is opened.
	CloseSchedule(ctx context.Context, tenant, name string, c CloseSchedule, by string) (Schedule, error)
	OpenSchedule(ctx context.Context, tenant, name, by string) (Schedule, error)
	// ImportCalendar puts an iCalendar text into the schedule's document, in place of
	// the one of that name; an empty text takes it out.
	ImportCalendar(ctx context.Context, tenant, name, calendar, text string, o ApplyOptions) (ApplyResult, error)
}

// CloseSchedule is for how long and why.
type CloseSchedule struct {
	Until  time.Time `json:"until,omitzero" doc:"RFC 3339; absent: until it is opened."`
	Reason string    `json:"reason,omitempty" maxLength:"200"`
}

// Schedule is one schedule at a moment.
type Schedule struct {
	Name     string    `json:"name"`
	TimeZone string    `json:"time_zone"`
	At       time.Time `json:"at"`
	Open     bool      `json:"open"`
	// Why: "hours", "holiday", "calendar" or "closure".
	Why    string `json:"why"`
	What   string `json:"what,omitempty"` // the holiday, the calendar's event, the closure's reason
	Switch string `json:"switch,omitempty"`
	// Changes is when it opens or closes next; absent: never.
	Changes time.Time `json:"changes,omitzero"`
	Closure *Closure  `json:"closure,omitempty"`
}

// Closure is a schedule closed by hand.
type Closure struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"` // absent: until it is opened
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by"`
}
