package flow

// Check checks.
func (f *Flow) Check(env CheckEnv) []Fault { return nil }

// CheckAll checks.
func CheckAll(flows map[string]*Flow) []Fault { return nil }
