package quality

import "testing"

func BenchmarkR(b *testing.B) {
	for b.Loop() {
		MOS(R(Path{Delay: 5e7, Loss: .02, BurstR: 1.2}))
	}
}
