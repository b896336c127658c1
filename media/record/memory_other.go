//go:build !unix

package record

// The heap's memory does.
func takeMemory(int) []byte { return nil }

func giveMemory([]byte) {}
