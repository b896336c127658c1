package quality

import "math"

const (
	// seriesLen values are kept of a call; then every two become one.
	seriesLen = 120
	// seriesStep is how many seconds a value stands for at first.
	seriesStep = 5
	// unit of the values kept: 0.02, so that 4.5 fits into a byte.
	unit = 0.02
)

// Meter keeps the MOS of one direction of a leg, one value a second, in a few
// bytes however long the call: the lowest, the mean, and the lowest of each few
// seconds. The zero value is ready; it has one owner.
type Meter struct {
	seconds uint32
	low     float32
	sum     float64
	series  [seriesLen]uint8
	n       int
	step    uint32 // seconds a value stands for; 0 = none yet
	open    uint32 // seconds in the value under way
	lowest  float32
}

// Add takes the MOS of one second, 1 to 4.5.
func (m *Meter) Add(mos float64) {
	if math.IsNaN(mos) {
		return
	}
	v := float32(min(max(mos, 1), 4.5))
	if m.seconds == 0 || v < m.low {
		m.low = v
	}
	if m.step == 0 {
		m.step = seriesStep
	}
	m.seconds++
	m.sum += float64(v)
	if m.open == 0 || v < m.lowest {
		m.lowest = v
	}
	if m.open++; m.open < m.step {
		return
	}
	m.open = 0
	if m.n == seriesLen {
		for i := range seriesLen / 2 {
			m.series[i] = min(m.series[2*i], m.series[2*i+1])
		}
		m.n = seriesLen / 2
		// The value that is full now covers half a new one: it is begun with it.
		m.open, m.step = m.step, 2*m.step
		return
	}
	m.series[m.n] = uint8(math.Round(float64(m.lowest) / unit))
	m.n++
}

// Seconds is how many values there were.
func (m *Meter) Seconds() int { return int(m.seconds) }

// Low and Mean are over all seconds; 0 without any.
func (m *Meter) Low() float64 { return hundredths(float64(m.low)) }

// Mean is the mean of all seconds; 0 without any.
func (m *Meter) Mean() float64 {
	if m.seconds == 0 {
		return 0
	}
	return hundredths(m.sum / float64(m.seconds))
}

// Series is the lowest MOS of each step seconds of those that were measured, at
// most 121 values; the last may stand for fewer. It allocates: for the end of a call.
func (m *Meter) Series() (step int, values []float64) {
	if m.seconds == 0 {
		return 0, nil
	}
	values = make([]float64, 0, m.n+1)
	for _, v := range m.series[:m.n] {
		values = append(values, hundredths(float64(v)*unit))
	}
	if m.open > 0 {
		values = append(values, hundredths(float64(m.lowest)))
	}
	return int(m.step), values
}

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }
