// Package call runs one call: its legs, its segments, its verdict. It is the
// only room that knows SIP, media, IVR and ACD at once.
//
// A call is two things. The Machine (state.go, machine*.go) is pure: it takes
// an Event and the time and returns Effects; its State is plain data that can
// be journalled, shown and restored. The owner (owner*.go) is the one goroutine
// of the call: it turns what SIP, media and the ACD say into Events, carries
// Effects out in order, and holds the handles (dialogs, media legs, recording)
// that data cannot be. The Manager (manager.go) is the map of owners: it takes
// new INVITEs, refuses them when full or draining, and stops the calls.
package call
