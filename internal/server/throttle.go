package server

import (
	"fmt"
	"sync"
	"time"

	"github.com/backstep/backstep/api"
)

// Rate is how often an operation may be called: Burst times at once, and PerSecond times a second in the long run.
type Rate struct {
	PerSecond float64
	Burst     int
}

// bucket holds the calls that may be made now. It may be used by many at once.
type bucket struct {
	rate Rate
	now  func() time.Time

	mu     sync.Mutex
	tokens float64
	at     time.Time // when tokens was right
}

// newBucket is a full one.
func newBucket(rate Rate, now func() time.Time) *bucket {
	return &bucket{rate: rate, now: now, tokens: float64(rate.Burst), at: now()}
}

// throttle gives the named operations their buckets.
func throttle(routes map[string]*route, rates map[string]Rate, now func() time.Time) error {
	byName := make(map[string]*route, len(routes))
	for _, rt := range routes {
		byName[rt.Name] = rt
	}
	for name, rate := range rates {
		rt := byName[name]
		if rt == nil {
			return fmt.Errorf("server: a rate is given for %s, which is no operation", name)
		}
		if rate.PerSecond <= 0 || rate.Burst < 1 {
			return fmt.Errorf("server: the rate of %s would let no call through", name)
		}
		rt.bucket = newBucket(rate, now)
	}
	return nil
}

// take takes one call out of the bucket, or refuses it. A route without a bucket lets all through.
func (b *bucket) take() error {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens, b.at = min(float64(b.rate.Burst), b.tokens+passed.Seconds()*b.rate.PerSecond), now
	}
	if b.tokens < 1 {
		return api.Errorf(api.CodeThrottling, "Rate exceeded")
	}
	b.tokens--
	return nil
}
