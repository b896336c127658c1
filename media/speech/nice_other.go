//go:build !linux

package speech

func lower(int) {}
