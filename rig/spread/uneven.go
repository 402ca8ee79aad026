package main

import (
	"math/rand/v2"
	"slices"
)

// uneven is the load of the busiest database in times of the mean, over many draws.
type uneven struct {
	mean, late float64 // of all draws; of the 95th in a hundred
	evened     float64 // mean, once shards were moved
	moved      float64 // shards that were moved for it, mean
}

// hot are so many executions that take so much of the load each, such as map runs and
// locks; what is left lies evenly over all shards.
const (
	hot     = 40
	hotPart = 0.005
)

// byHot draws the loads of shards under names alone, among which some are hot.
func byHot(chance *rand.Rand, shards int) []float64 {
	loads := make([]float64, shards)
	for i := range loads {
		loads[i] = (1 - hot*hotPart) / float64(shards)
	}
	for range hot {
		loads[chance.IntN(shards)] += hotPart
	}
	return loads
}

// byTenants draws the loads of shards where each tenant is kept in one.
func byTenants(chance *rand.Rand, shards int) []float64 {
	loads, before := make([]float64, shards), 0.0
	for i, shard := range drawn(chance, shards) {
		loads[shard] += popular[i] - before
		before = popular[i]
	}
	return loads
}

const draws = 2000

// unevenness is that of so many databases, with so many shards each.
func unevenness(seed uint64, databases, each int, draw func(*rand.Rand, int) []float64) uneven {
	chance := rand.New(rand.NewPCG(seed, uint64(each)))
	var u uneven
	var all []float64
	for range draws {
		loads := draw(chance, databases*each)
		at := make([]int, len(loads))
		for i := range at {
			at[i] = i % databases
		}
		all = append(all, busiest(loads, at, databases))
		u.moved += float64(even(loads, at, databases)) / draws
		u.evened += busiest(loads, at, databases) / draws
	}
	for _, x := range all {
		u.mean += x / draws
	}
	slices.Sort(all)
	u.late = all[draws*95/100]
	return u
}

// sums are the loads of the databases, where the shards lie so.
func sums(loads []float64, at []int, databases int) []float64 {
	sum := make([]float64, databases)
	for shard, database := range at {
		sum[database] += loads[shard]
	}
	return sum
}

func busiest(loads []float64, at []int, databases int) float64 {
	return slices.Max(sums(loads, at, databases)) * float64(databases)
}

// even moves shards from the busiest database to the idlest, each time the one that brings
// them closest, as long as that makes the busiest less so by a hundredth of the mean. It
// gives their number.
func even(loads []float64, at []int, databases int) (moved int) {
	for {
		sum := sums(loads, at, databases)
		from, to := slices.Index(sum, slices.Max(sum)), slices.Index(sum, slices.Min(sum))
		best, most := -1, sum[from]-0.01/float64(databases)
		for shard, database := range at {
			if database != from {
				continue
			}
			if then := max(sum[from]-loads[shard], sum[to]+loads[shard]); then < most {
				best, most = shard, then
			}
		}
		if best < 0 {
			return moved
		}
		at[best] = to
		moved++
	}
}
