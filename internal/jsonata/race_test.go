//go:build race

package jsonata

// raceEnabled reports whether the race detector is at work.
const raceEnabled = true
