//go:build !libopus || !linux || !(amd64 || arm64)

package opus

func newEngine() engine { return newTranslated() }

func native() bool { return false }
