package resource

import "io"

// Source is where a document was written.
type Source struct{}

// Fault is one thing wrong in a document.
type Fault struct{}

// FlowChecker checks flows.
type FlowChecker interface{}

// Change is one difference between two sets.
type Change struct{}

// ParseYAML reads documents.
func ParseYAML(r io.Reader, name string) ([]Document, error) { return nil, nil }

// Check tells what is wrong.
func Check(s *Set, flows FlowChecker) []Fault { return nil }

// Diff tells what changes.
func Diff(old, new *Set) []Change { return nil }

// Merge adds documents to a set.
func Merge(live *Set, docs []Document, prune bool) *Set { return live }
