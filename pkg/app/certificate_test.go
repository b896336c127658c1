package app

import (
	"net/netip"
	"testing"

	"github.com/centrala/centrala/pkg/resource"
)

// A certificate names its trunk; addresses, where given, must fit as well.
func TestMatchCertificate(t *testing.T) {
	net := netip.MustParsePrefix("192.0.2.0/24")
	d := &directory{subjects: map[string]trunkSubject{
		"sbc.carrier.example": {tenant: "default", trunk: "north"},
		"cn=pbx,o=example":    {tenant: "acme", trunk: "south", addresses: []trunkAddress{{Address: resource.Address{Prefix: net, Port: 5061}}}},
	}}
	in, out := netip.MustParseAddrPort("192.0.2.9:40000"), netip.MustParseAddrPort("198.51.100.1:5061")
	for _, tc := range []struct {
		names []string
		src   netip.AddrPort
		want  string
	}{
		{[]string{"other.example", "sbc.carrier.example"}, out, "default/north"},
		{[]string{"sbc.carrier.example.evil.example"}, out, ""},
		{[]string{"pbx", "cn=pbx,o=example"}, in, "acme/south"}, // the port of a client is any
		{[]string{"pbx", "cn=pbx,o=example"}, out, ""},
		{nil, in, ""},
	} {
		tenant, trunk, ok := d.MatchCertificate(tc.names, tc.src)
		got := ""
		if ok {
			got = tenant + "/" + trunk
		}
		if got != tc.want {
			t.Errorf("%v from %v: %q, want %q", tc.names, tc.src, got, tc.want)
		}
	}
}
