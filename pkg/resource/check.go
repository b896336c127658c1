package resource

// FlowChecker checks flows.
type FlowChecker interface{}

// Check tells what is wrong.
func Check(s *Set, flows FlowChecker) []Fault { return nil }
