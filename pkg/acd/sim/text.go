package sim

import (
	"math"
	"strconv"
)

func decimals(v float64, n int) string { return strconv.FormatFloat(v, 'f', n, 64) }

func whole(v float64) string   { return decimals(v, 0) }
func share(v float64) string   { return decimals(100*v, 1) + "%" }
func seconds(v float64) string { return decimals(v, 1) + "s" }

// change words the difference of two cells; shares differ by points.
func change(m metric, was, is float64) string {
	if math.IsNaN(was) || math.IsNaN(is) {
		return "-"
	}
	d := is - was
	text := m.say(d)
	if text == m.say(0) || text == "-"+m.say(0) {
		return "="
	}
	if d > 0 {
		text = "+" + text
	}
	return text
}
