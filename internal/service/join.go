package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"sort"

	"github.com/backstep/backstep/internal/store"
)

// join is several lists that are read as one: what stands in all of them. All
// lists of executions are in one order, so each is read on from where the one
// that is furthest stands, and a long list costs no more than a short one beside
// it.
type join struct {
	store store.Store
	lists []list
	after *store.IndexKey // all that stands there or before it is done; nil: nothing is
	reads int             // pages that may still be read
}

// list is one of them.
type list struct {
	query store.IndexQuery
	rows  []store.Index // that were read and not passed
	end   bool          // nothing comes after them
}

// The bounds of one page of what is found: pages of lists that are read for it,
// and the rows of each. With them it looks at 25,600 rows at most.
const (
	joinReads = 200
	joinPage  = 128
)

// errReadEnough ends a join for this time: it goes on from after.
var errReadEnough = errors.New("the lists were read far enough")

// next is the next row that stands in all lists, as the first has it; nil: there
// is none.
func (j *join) next(ctx context.Context) (*store.Index, error) {
	for {
		var furthest *store.Index
		all := true
		for i := range j.lists {
			row, err := j.head(ctx, &j.lists[i])
			if row == nil || err != nil {
				return nil, err
			}
			if furthest == nil {
				furthest = row
				continue
			}
			ahead := order(&row.IndexKey, &furthest.IndexKey)
			if all = all && ahead == 0; ahead > 0 {
				furthest = row
			}
		}
		if all {
			row := &j.lists[0].rows[0]
			j.after = &row.IndexKey
			return row, nil
		}
		j.after = justBefore(furthest.IndexKey)
	}
}

// head is a list's first row that is not done, nil where there is none.
func (j *join) head(ctx context.Context, l *list) (*store.Index, error) {
	for {
		if j.after != nil {
			l.rows = l.rows[sort.Search(len(l.rows), func(i int) bool { return order(&l.rows[i].IndexKey, j.after) > 0 }):]
		}
		switch {
		case len(l.rows) > 0:
			return &l.rows[0], nil
		case l.end:
			return nil, nil
		case j.reads == 0:
			return nil, errReadEnough
		}
		j.reads--
		l.query.After = j.after
		rows, err := j.store.Index(ctx, l.query)
		if err != nil {
			return nil, err
		}
		l.rows, l.end = rows, len(rows) < l.query.Limit
	}
}

// order compares two places in the order of all lists: the newest first, equal
// ones by id.
func order(a, b *store.IndexKey) int {
	return cmp.Or(cmp.Compare(b.Start, a.Start), bytes.Compare(a.ID[:], b.ID[:]))
}

// justBefore is the last place before one.
func justBefore(k store.IndexKey) *store.IndexKey {
	for i := len(k.ID) - 1; i >= 0; i-- {
		if k.ID[i]--; k.ID[i] != 0xff {
			return &k
		}
	}
	k.Start++ // and its id is the greatest
	return &k
}
