//go:build race

package jsonata

// raceEnabled: the race detector makes all of it slower.
const raceEnabled = true
