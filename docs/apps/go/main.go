// Command go is a sample application that leads calls (docs/apps.md): callers say an
// order's number in keys, hear how it stands, and may talk to a person.
//
//	go run ./docs/apps/go -listen 127.0.0.1:8098 -secret 0123456789abcdef
//
//	kind: app
//	name: orders
//	spec: {url: "http://127.0.0.1:8098/", secret: 0123456789abcdef, fallback: main}
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// orders stand for a database.
var orders = map[string]string{"1234": "is on its way and comes tomorrow", "5678": "waits for you in the shop"}

// request is what Centrala tells.
type request struct {
	Event string `json:"event"` // start, done, connected, ended
	Call  struct {
		ID   string `json:"id"`
		From string `json:"from"`
	} `json:"call"`
	Results []struct {
		Verb    int    `json:"verb"`
		Kind    string `json:"kind"`
		Outcome string `json:"outcome"`
	} `json:"results"`
	Variables map[string]string `json:"variables"`
}

// verb is one thing to do: {"play": ["welcome"]}.
type verb map[string]any

func main() {
	listen := flag.String("listen", "127.0.0.1:8098", "address to serve on")
	secret := flag.String("secret", "", "secret of the app; without one nothing is checked")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*listen, handler(*secret)))
}

func handler(secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || secret != "" && !signed(secret, r.Header.Get("X-Centrala-Signature"), body, time.Now()) {
			http.Error(w, "not signed", http.StatusForbidden)
			return
		}
		var q request
		if err := json.Unmarshal(body, &q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"verbs": answer(q)})
	})
}

// answer is the program: each question tells where the call is.
func answer(q request) []verb {
	ask := []verb{
		{"say": map[string]any{"text": "Please enter the number of your order.", "fallback": "enter_customer_number"}},
		{"collect": map[string]any{"prompts": []string{"beep"}, "into": "order", "min": 4, "max": 4, "retries": 0}},
	}
	switch q.Event {
	case "start":
		return ask
	case "done":
		last := q.Results[len(q.Results)-1]
		switch {
		case last.Kind == "collect" && last.Outcome != "done":
			return []verb{{"queue": "sales"}} // whoever cannot type talks to a person
		case last.Kind == "collect":
			how, known := orders[q.Variables["order"]]
			if !known {
				return append([]verb{{"say": map[string]any{"text": "There is no such order.", "fallback": "invalid"}}}, ask...)
			}
			return []verb{{"say": map[string]any{"text": "Your order " + how + ".", "fallback": "thank_you"}}, {"hangup": "normal"}}
		case last.Kind == "queue":
			return []verb{{"play": []string{"goodbye"}}, {"hangup": "normal"}}
		}
	}
	return []verb{} // nothing more: the flow goes on
}

// signed checks "t=UNIX,v1=HEX": HMAC-SHA256 of "UNIX.body", no older than five minutes.
func signed(secret, header string, body []byte, now time.Time) bool {
	t, mac, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	at, err := strconv.ParseInt(t, 10, 64)
	got, bad := hex.DecodeString(mac)
	if !ok || err != nil || bad != nil || now.Sub(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return false
	}
	m := hmac.New(sha256.New, []byte(secret))
	io.WriteString(m, t+".")
	m.Write(body)
	return hmac.Equal(got, m.Sum(nil))
}
