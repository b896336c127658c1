package api

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// resourceName is how devices and prompts are named.
var resourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// supervise reads the body of a call's supervision.
func (h *HTTP) supervise(r *http.Request) error {
	var in struct {
		Mode   string `json:"mode"`
		Device string `json:"device"`
		Leg    *int   `json:"leg"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	c := CallCommand{Action: "supervise", Leg: -1, Target: in.Mode, By: whoAsks(r)}
	if modes := []string{"monitor", "whisper", "barge", "off"}; !slices.Contains(modes, in.Mode) {
		return fmt.Errorf("%w: mode %q: want one of %s", ErrInvalid, in.Mode, strings.Join(modes, ", "))
	}
	if in.Device != "" {
		if !resourceName.MatchString(in.Device) {
			return fmt.Errorf("%w: device: want the name of a device", ErrInvalid)
		}
		c.Target += " " + in.Device
	}
	leg, err := legOf(r, in.Leg)
	if err != nil {
		return err
	}
	c.Leg = leg
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), c)
}

// play reads the body of a prompt for a side of a call.
func (h *HTTP) play(r *http.Request) error {
	var in struct {
		Side   string `json:"side"`
		Prompt string `json:"prompt"`
		Stop   bool   `json:"stop"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	c := CallCommand{Action: "play", Leg: -1, Target: in.Side, By: whoAsks(r)}
	if sides := []string{"caller", "agent", "both"}; !slices.Contains(sides, in.Side) {
		return fmt.Errorf("%w: side %q: want one of %s", ErrInvalid, in.Side, strings.Join(sides, ", "))
	}
	switch {
	case in.Stop && in.Prompt != "":
		return fmt.Errorf("%w: body: want prompt or stop, not both", ErrInvalid)
	case in.Stop:
	case !resourceName.MatchString(in.Prompt):
		return fmt.Errorf("%w: prompt: want the name of a prompt", ErrInvalid)
	default:
		c.Target += " " + in.Prompt
	}
	return h.app.CommandCall(r.Context(), tenant(r), r.PathValue("id"), c)
}
