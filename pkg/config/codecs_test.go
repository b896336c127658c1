package config

import (
	"slices"
	"strings"
	"testing"

	"github.com/centrala/centrala/media/codec"
)

// TestCodecs: media.codecs is checked, and names all that the media plane has.
func TestCodecs(t *testing.T) {
	c, err := Parse([]byte("media: {codecs: [opus, pcma]}\n"), "node.yaml", nil)
	if err != nil || !slices.Equal(c.Media.Codecs, []string{"opus", "pcma"}) {
		t.Errorf("%v %v", c, err)
	}
	_, err = Parse([]byte("media: {codecs: [g729, pcma, pcma]}\n"), "node.yaml", nil)
	for _, want := range []string{"media.codecs[0]", "g729", "media.codecs[2]", "twice"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q in it", err, want)
		}
	}
	if len(codecs) != len(codec.Formats) {
		t.Errorf("%v, but the media plane has %v", codecs, codec.Formats)
	}
	for _, name := range codecs {
		if _, ok := codec.ByName(name); !ok {
			t.Errorf("the media plane has no %s", name)
		}
	}
}
