package event

// OutsideRefused is a call to the outside that nobody may make so, at that hour,
// or any more today. It belongs to a call where one was running (a transfer).
type OutsideRefused struct {
	Device string `json:"device,omitempty"` // "": a flow of the house
	Number string `json:"number"`
	// Why: right, premium, destination, hours, calls, minutes, spend.
	Why string `json:"why"`
	// Who sets the limit: "user/NAME", "device/NAME" or "tenant".
	Who string `json:"who,omitempty"`
}

// Kind is outside.refused.
func (OutsideRefused) Kind() string { return "outside.refused" }
func (OutsideRefused) body()        {}

func init() { register[OutsideRefused]() }
