package sip

import (
	"testing"

	"github.com/emiago/sipgo/sip"
)

func TestPhonesThatKnowOnlyMD5(t *testing.T) {
	for ua, want := range map[string]bool{"baresip v1.0.0 (x86_64/linux)": true, "baresip v0.6.5": true, "baresip v2.0.1": false, "Linphone/5.0": false, "": false} {
		req := sip.NewRequest(sip.REGISTER, sip.Uri{Host: "x"})
		if ua != "" {
			req.AppendHeader(sip.NewHeader("User-Agent", ua))
		}
		if got := knowsOnlyMD5(req); got != want {
			t.Errorf("%q: %v, want %v", ua, got, want)
		}
	}
}
