package sip

import "errors"

// Transport names as labels, in Target and in Listener.
const (
	protoUDP = "udp"
	protoTCP = "tcp"
	protoTLS = "tls"
	protoWS  = "ws"
	protoWSS = "wss"
)

// protos is the closed set, in the order of the metrics.
var protos = [...]string{protoUDP, protoTCP, protoTLS, protoWS, protoWSS}

func protoIndex(proto string) int {
	for i, p := range protos {
		if p == proto {
			return i
		}
	}
	return 0
}

// framed: a message is a frame (RFC 7118), not a piece of a stream.
func framed(proto string) bool { return proto == protoWS || proto == protoWSS }

// secured: nobody on the way can read or change what is said.
func secured(proto string) bool { return proto == protoTLS || proto == protoWSS }

// viaName is the transport in Via.
func viaName(proto string) string {
	switch proto {
	case protoTCP:
		return "TCP"
	case protoTLS:
		return "TLS"
	case protoWS:
		return "WS"
	case protoWSS:
		return "WSS"
	}
	return "UDP"
}

// defaultPort is where a URI without a port leads (RFC 3261 19.1.2).
func defaultPort(proto string) uint16 {
	if proto == protoTLS {
		return 5061
	}
	return 5060
}

// errFlow: the connection that a device registered over is gone, and nothing
// else leads to it (RFC 5626 5.3.1).
var errFlow = errors.New("sip: the flow that the device registered over is gone")

// contact is our Contact URI towards a peer. secure: the dialog is one of sips
// URIs (RFC 3261 12.1.1).
func (s *Stack) contact(h hop, secure bool) string {
	if secure && secured(h.proto()) {
		if framed(h.proto()) {
			return "sips:" + h.host() + ";transport=ws"
		}
		return "sips:" + h.host()
	}
	switch h.proto() {
	case protoTCP:
		return "sip:" + h.host() + ";transport=tcp"
	case protoTLS:
		return "sip:" + h.host() + ";transport=tls"
	case protoWS, protoWSS: // RFC 7118 5.1: "ws" for both
		return "sip:" + h.host() + ";transport=ws"
	}
	return "sip:" + h.host()
}
