package machine

import "github.com/backstep/backstep/internal/value"

// batch is a child's input under way: as many items as its ItemBatcher allows,
// one at least.
type batch struct {
	fixed value.Value // BatchInput
	most  int64       // items
	bytes int         // 0: any length goes
	items []value.Value
	size  int // bytes so far
	full  bool
}

// newBatch begins a batch by an ItemBatcher, its expressions evaluated. No batch
// is longer than limit, 0: any length goes.
func newBatch(batcher value.Value, limit int) *batch {
	b := &batch{fixed: batcher.Get("BatchInput"), most: 1<<63 - 1, bytes: limit}
	if n, given := batcher.Get("MaxItemsPerBatch").AsInt(); given {
		b.most = n
	}
	if n, given := batcher.Get("MaxInputBytesPerBatch").AsInt(); given && (limit == 0 || n < int64(limit)) {
		b.bytes = int(n)
	}
	b.size = b.input().Text().Len()
	return b
}

// take takes an item, unless that would be one too many. A batch that takes no
// more is full.
func (b *batch) take(v value.Value) bool {
	size := b.size + v.Text().Len() + min(len(b.items), 1)
	if b.full = b.bytes > 0 && size > b.bytes && len(b.items) > 0; b.full {
		return false
	}
	b.items, b.size = append(b.items, v), size
	b.full = int64(len(b.items)) >= b.most
	return true
}

// input is what the child is given.
func (b *batch) input() value.Value {
	in := value.NewBuilder(2)
	if !b.fixed.IsAbsent() {
		in.Set("BatchInput", b.fixed)
	}
	in.Set("Items", value.NewArray(b.items))
	return in.Object()
}

// batches are the inputs of the children for all these items.
func batches(batcher value.Value, items []value.Value, limit int) []value.Value {
	var all []value.Value
	b := newBatch(batcher, limit)
	for _, v := range items {
		if b.full || !b.take(v) {
			all = append(all, b.input())
			b = newBatch(batcher, limit)
			b.take(v)
		}
	}
	if len(b.items) > 0 {
		all = append(all, b.input())
	}
	return all
}
