//go:build race

package embedded

// crashStep is how many storage calls lie between two crashes: the race detector
// is after races, and ten times as slow.
const crashStep = 16
