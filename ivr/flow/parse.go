package flow

// Parse parses.
func Parse(name string, raw map[string]any) (*Flow, error) { return nil, nil }

// ParseYAML parses.
func ParseYAML(name string, doc []byte) (*Flow, error) { return nil, nil }
