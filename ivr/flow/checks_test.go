package flow

import (
	"strings"
	"testing"
	"time"
)

func TestInputChecks(t *testing.T) {
	now := time.Date(2026, 11, 30, 23, 59, 0, 0, time.UTC)
	for name, c := range map[string]struct{ good, bad []string }{
		"luhn":   {[]string{"4111111111111111", "79927398713", "00"}, []string{"4111111111111112", "1", "", "41111a", strings.Repeat("9", 31)}},
		"mod97":  {[]string{"3214282912345698765432161182"}, []string{"3214282912345698765432161183", "97", "", "12a4"}},
		"iban":   {[]string{"GB82WEST12345698765432", "RO49AAAA1B31007593840000", "md24ag000225100013104168"}, []string{"GB82WEST12345698765433", "1282WEST12345698765432", "GBXXWEST12345698765432", "", "GB82", "GB82WEST1234569876543*"}},
		"date":   {[]string{"2902", "290224", "31122026", "01011900"}, []string{"3002", "290223", "29022023", "00012026", "1", "", "31042026", "aabb"}},
		"time":   {[]string{"0000", "2359"}, []string{"2400", "1260", "900", ""}},
		"expiry": {[]string{"1126", "1227", "1046"}, []string{"1026", "1326", "1246", "", "112", "0099"}},
		"cnp":    {[]string{"1960523460016", "1800101221144"}, []string{"1960523460013", "0960523460016", "196052346001", ""}},
	} {
		for _, s := range c.good {
			if !CheckInput(name, s, now) {
				t.Errorf("%s refuses %q", name, s)
			}
		}
		for _, s := range c.bad {
			if CheckInput(name, s, now) {
				t.Errorf("%s takes %q", name, s)
			}
		}
	}
	if CheckInput("nobody", "1", now) {
		t.Error("an unknown check passes")
	}
}
