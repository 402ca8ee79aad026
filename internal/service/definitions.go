package service

import (
	"fmt"

	"github.com/backstep/backstep/internal/store"
)

// Definitions reads a document as the service keeps it, and gives the hashes of the
// definitions that must be there for it. Its error says that the document is damaged,
// or of a kind or an encoding that this version does not know.
func Definitions(doc store.Doc) ([]store.Hash, error) {
	var r revision
	switch doc.Kind {
	case kindMachine, kindVersion:
		if err := decodeDoc(doc, &r); err != nil {
			return nil, err
		}
		if len(r.Hash) != len(store.Hash{}) {
			return nil, fmt.Errorf("%s %q names no definition", doc.Kind, doc.Name)
		}
		return []store.Hash{store.Hash(r.Hash)}, nil
	case kindAlias:
		_, err := decodeAlias(doc)
		return nil, err
	case kindActivity:
		return nil, decodeDoc(doc, new(activityDoc))
	case kindRemains:
		return nil, nil
	}
	return nil, fmt.Errorf("a document of the kind %q, which this version does not know", doc.Kind)
}
