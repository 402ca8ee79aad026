//go:build !race

package embedded

// crashStep is how many storage calls lie between two crashes.
const crashStep = 1
