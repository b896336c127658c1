package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/centrala/centrala/pkg/auth"
)

// Starter is the part of Server that begins calls.
type Starter interface {
	// StartCall dials and leads who answers into a flow. It returns when the call has
	// begun, not when it is answered.
	StartCall(ctx context.Context, tenant string, c StartCall) (StartedCall, error)
}

// StartCall is a call to be made.
type StartCall struct {
	To        string            `json:"to" maxLength:"128" doc:"A number outside, device:NAME or agent:NAME."`
	Flow      string            `json:"flow" doc:"Who answers goes into this flow."`
	Variables map[string]string `json:"variables,omitempty" doc:"Of the flow; what else is named goes along to an agent."`
	CallerID  string            `json:"caller_id,omitempty" doc:"A number of the tenant; left out: the trunk's."`
	// Ring is in seconds.
	Ring     int    `json:"ring,omitempty" minimum:"0" maximum:"120" doc:"Seconds until it counts as not answered; 0: 30."`
	Language string `json:"language,omitempty" doc:"Left out: the tenant's."`
	Device   string `json:"device,omitempty" doc:"The call is made with the rights and limits of this device; left out: the house's own. Agents name theirs, or nothing."`
	By       string `json:"-"`
}

// StartedCall is a call that has begun.
type StartedCall struct {
	ID string `json:"id"`
}

// maxStartRing is the longest a call may ring.
const maxStartRing = 2 * time.Minute

func (h *HTTP) startOperations() []operation {
	return []operation{
		{method: "POST", path: "/calls", right: "calls.dial", own: ownBound, journalled: true, made: http.StatusCreated, summary: "Calls somebody and leads who answers into a flow.", in: StartCall{}, out: StartedCall{}, query: []param{byParam}, do: h.startCall},
	}
}

func (h *HTTP) startCall(r *http.Request) (any, error) {
	var in StartCall
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	switch {
	case in.To == "" || len(in.To) > 128:
		return nil, fmt.Errorf("%w: to: want a number, device:NAME or agent:NAME", ErrInvalid)
	case in.Flow == "":
		return nil, fmt.Errorf("%w: flow: missing", ErrInvalid)
	case in.Ring < 0 || in.Ring > int(maxStartRing.Seconds()):
		return nil, fmt.Errorf("%w: ring %d: want 0 to %d seconds", ErrInvalid, in.Ring, int(maxStartRing.Seconds()))
	}
	if isOwn(r) {
		p := auth.From(r.Context())
		if p.Device == "" || in.Device != "" && in.Device != p.Device {
			return nil, fmt.Errorf("%w: you call from your own device", errNoRight)
		}
		in.Device = p.Device
	}
	in.By = whoAsks(r)
	return h.app.StartCall(r.Context(), tenant(r), in)
}
