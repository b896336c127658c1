package session

// Move takes the leg to group's worker.
func (l *Leg) Move(group uint64) {}
