//go:build race

package main

// stride of the files listened to: the detector makes each twenty times as dear.
const stride = 24
