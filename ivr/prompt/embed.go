package prompt

import (
	"embed"
	"io/fs"
)

//go:embed audio
var embedded embed.FS

// Embedded is the audio that comes inside the binary: LANG/NAME.wav, 8 kHz
// mono G.711, with LANG one of "en", "ro", "ru" or "any" (the same in every language: music).
func Embedded() fs.FS {
	sub, err := fs.Sub(embedded, "audio")
	if err != nil {
		panic(err) // the name is a constant and the folder is embedded above
	}
	return sub
}
