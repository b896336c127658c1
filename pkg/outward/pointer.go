package outward

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// ErrJSON: the answer is not JSON.
var ErrJSON = errors.New("the answer is not JSON")

// Pick takes values out of a JSON text by JSON pointers (RFC 6901): texts as they are,
// numbers as they are written, true and false, objects and lists as JSON; what is null
// or not there is "".
func Pick(body []byte, pointers []string) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if err := d.Decode(&doc); err != nil || d.More() {
		return nil, ErrJSON
	}
	out := make([]string, len(pointers))
	for i, p := range pointers {
		v, ok := follow(doc, p)
		if !ok {
			continue
		}
		switch v := v.(type) {
		case nil:
		case string:
			out[i] = v
		case json.Number:
			out[i] = v.String()
		case bool:
			out[i] = strconv.FormatBool(v)
		default:
			b, err := json.Marshal(v)
			if err != nil {
				return nil, ErrJSON
			}
			out[i] = string(b)
		}
	}
	return out, nil
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

func follow(v any, pointer string) (any, bool) {
	if pointer == "" {
		return v, true
	}
	for _, token := range strings.Split(pointer, "/")[1:] {
		token = unescape.Replace(token)
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[token]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(c) || token != strconv.Itoa(i) {
				return nil, false
			}
			v = c[i]
		default:
			return nil, false
		}
	}
	return v, true
}
