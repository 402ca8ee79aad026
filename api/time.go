package api

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Timestamp is a moment in whole milliseconds since 1970-01-01 UTC. In JSON it is a number of seconds with up to three decimals, as the API
// has it.
type Timestamp int64

// maxTimestamp ends the range that is decoded: the year 9999.
const maxTimestamp = 253402300799999

// TimestampOf is the moment of t, what is finer than a millisecond cut off.
func TimestampOf(t time.Time) Timestamp { return Timestamp(t.UnixMilli()) }

// Time is the moment in UTC.
func (t Timestamp) Time() time.Time { return time.UnixMilli(int64(t)).UTC() }

// String is the moment in the form of RFC 3339 with milliseconds, as the States Language's context object shows it.
func (t Timestamp) String() string { return t.Time().Format("2006-01-02T15:04:05.000Z") }

// MarshalJSON writes seconds with three decimals.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 16)
	ms := int64(t)
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	fraction := ms % 1000
	return append(b, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10)), nil
}

// UnmarshalJSON reads a number of seconds, in any form that JSON has for one, and rounds it to milliseconds.
func (t *Timestamp) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(seconds)*1000 > maxTimestamp {
		return fmt.Errorf("%.40q is no number of seconds since 1970", text)
	}
	*t = Timestamp(math.Round(seconds * 1000))
	return nil
}
