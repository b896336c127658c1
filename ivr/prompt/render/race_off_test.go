//go:build !race

package main

// stride of the files listened to: every one.
const stride = 1
