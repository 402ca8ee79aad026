package cli

import "iter"

// maxPage is the most that a page of a list may have.
const maxPage = 1000

// pages goes through a list from page to page, as far as it is read. An error
// ends it.
func pages[T any](page func(token *string) (items []T, next *string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var token *string
		for {
			items, next, err := page(token)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			token = next
		}
	}
}

// first is the first most of a list, all of it where most is 0. It is never
// nil.
func first[T any](most int, list iter.Seq2[T, error]) ([]T, error) {
	items := []T{}
	for item, err := range list {
		if err != nil {
			return nil, err
		}
		if items = append(items, item); len(items) == most {
			break
		}
	}
	return items, nil
}
