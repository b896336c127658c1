package sdp

import "strings"

// XR is which extended reports of RTCP a peer asked for (RFC 3611 5.1, a=rtcp-xr), of
// those that we make.
type XR struct {
	VoIP bool // voip-metrics
	RTT  bool // rcvr-rtt: round trips also without sender reports
}

// parseXR reads the formats of an a=rtcp-xr; others than ours are passed over.
func parseXR(val string) (x XR) {
	for val != "" {
		var f string
		f, val = field(val)
		name, _, _ := strings.Cut(f, "=")
		switch name {
		case "voip-metrics":
			x.VoIP = true
		case "rcvr-rtt":
			x.RTT = true
		}
	}
	return x
}

// appendXR writes what we agree to.
func appendXR(b []byte, x XR) []byte {
	switch {
	case x.RTT && x.VoIP:
		return append(b, "a=rtcp-xr:rcvr-rtt=all voip-metrics\r\n"...)
	case x.RTT:
		return append(b, "a=rtcp-xr:rcvr-rtt=all\r\n"...)
	case x.VoIP:
		return append(b, "a=rtcp-xr:voip-metrics\r\n"...)
	}
	return b
}
