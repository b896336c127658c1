// Command robot is a sample machine for streams (docs/streams.md): it greets with a
// tone, falls silent when the caller speaks, and sends who presses 0 to an agent.
//
//	go run ./docs/robot -listen 127.0.0.1:8099
package main

import (
	"encoding/binary"
	"encoding/json"
	"flag"
	"log"
	"math"
	"net/http"

	"github.com/coder/websocket"
)

const (
	header = 8     // octets before the sound of a binary message
	loud   = 1000  // mean level of speech, of 32767
	start  = "tok" // name of our mark
)

type message struct {
	Type   string `json:"type"`
	Name   string `json:"name,omitempty"`
	Digits string `json:"digits,omitempty"`
	Result string `json:"result,omitempty"`
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8099", "address to serve ws:// on")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(serve)))
}

// serve is one call.
func serve(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"centrala-stream.v1"}})
	if err != nil {
		return
	}
	defer ws.CloseNow()
	say := func(m message) {
		b, _ := json.Marshal(m)
		ws.Write(r.Context(), websocket.MessageText, b)
	}
	talking := false
	for {
		kind, b, err := ws.Read(r.Context())
		if err != nil {
			return
		}
		if kind == websocket.MessageBinary {
			if talking && len(b) > header && level(b[header:]) > loud {
				say(message{Type: "clear"}) // the caller interrupts
			}
			continue
		}
		var m message
		json.Unmarshal(b, &m)
		switch {
		case m.Type == "start":
			talking = true
			ws.Write(r.Context(), websocket.MessageBinary, tone(440, 2*8000))
			say(message{Type: "mark", Name: start})
		case m.Type == "mark": // heard, or cleared
			talking = false
		case m.Type == "dtmf" && m.Digits == "0":
			say(message{Type: "stop", Result: "agent"})
		case m.Type == "stop":
			ws.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// tone is a message of samples at 8 kHz.
func tone(hz float64, samples int) []byte {
	b := make([]byte, header+2*samples)
	for i := range samples {
		v := int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/8000))
		binary.LittleEndian.PutUint16(b[header+2*i:], uint16(v))
	}
	return b
}

func level(pcm []byte) (mean int) {
	for i := 0; i+1 < len(pcm); i += 2 {
		v := int(int16(binary.LittleEndian.Uint16(pcm[i:])))
		mean += max(v, -v)
	}
	return mean / max(len(pcm)/2, 1)
}
