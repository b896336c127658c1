//go:build !race

package spoken

// stride of the numbers tried: every one.
const stride = 1
