package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/value"
)

// rows are the payloads of one execution as a store has them.
type rows map[uint32][]byte

func (r rows) Payloads(_ context.Context, _ store.ID, numbers []uint32) ([][]byte, error) {
	var bodies [][]byte
	for _, n := range numbers {
		body, ok := r[n]
		if !ok {
			return nil, store.ErrNotFound
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// keep adds the payloads of a commit, and gives how many bytes they take.
func (r rows) keep(first uint32, texts ...string) (bytes int) {
	s := sharing{first: first}
	for _, text := range texts {
		s.texts = append(s.texts, value.Checked(text))
	}
	for i := range texts {
		body := s.append(nil)
		r[first+uint32(i)] = body
		bytes += len(body)
	}
	return bytes
}

// document is a text of about that many bytes, another for another name.
func document(name string, bytes int) string {
	var b strings.Builder
	b.WriteString(`{"order":"` + name + `"`)
	for i := 0; b.Len() < bytes; i++ {
		fmt.Fprintf(&b, `,"%s%d":%d`, name, i, i*i)
	}
	return b.String() + "}"
}

func TestWhatATurnPassesOnIsStoredOnce(t *testing.T) {
	order := document("o", 1000)
	answer := `{"ExecutedVersion":"$LATEST","Payload":` + order + `,"StatusCode":200}`
	parameters := `{"FunctionName":"ship","Payload":` + order + `}`
	other := document("p", 1000)
	for _, row := range []struct {
		name  string
		texts []string
		least int // bytes that need not be stored twice
	}{
		{"one alone", []string{order}, 0},
		{"an input and what a task is given of it", []string{order, parameters}, len(order)},
		{"an answer, its payload, and what the next task is given of that", []string{answer, order, parameters}, 2 * len(order)},
		{"the same twice", []string{order, order}, len(order)},
		{"two that share nothing", []string{order, other}, 0},
		{"short ones", []string{`{"a":1}`, `{"a":1}`}, 0},
		{"what is made of what is made of another", []string{order, parameters, `{"Again":` + parameters + `}`}, 2 * len(order)},
		{"texts of one letter", []string{`{"Payload":"` + strings.Repeat("n", 900) + `"}`, `"` + strings.Repeat("n", 900) + `"`}, 900},
		{"another between them", []string{answer, other, order}, len(order)},
	} {
		r, all := rows{}, 0
		for _, text := range row.texts {
			all += len(text)
		}
		if got, most := r.keep(7, row.texts...), all-row.least+len(row.texts)*(len(parameters)-len(order)+80); row.least > 0 && got > most {
			t.Errorf("%s: %d of %d bytes are stored, at most %d need be", row.name, got, all, most)
		} else if row.least == 0 && got != all {
			t.Errorf("%s: %d bytes are stored of %d", row.name, got, all)
		}
		for i, want := range row.texts {
			got, err := Texts(t.Context(), r, store.ID{}, []uint32{7 + uint32(i)})
			if err != nil || got[0] != want {
				t.Errorf("%s: payload %d reads %.80s, %v", row.name, i, got, err)
			}
		}
	}
}

// TestPayloadsReadAsTheyWere: texts cut out of each other and put together, in
// commits of all sizes, read in any order.
func TestPayloadsReadAsTheyWere(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		r, want := rows{}, map[uint32]string{}
		first := uint32(1)
		for range 1 + chance.IntN(4) {
			var texts []string
			for range 1 + chance.IntN(8) {
				text := document(string(rune('a'+chance.IntN(3))), chance.IntN(600))
				if n := len(texts); n > 0 {
					other := texts[chance.IntN(n)]
					switch chance.IntN(4) {
					case 0:
						at := chance.IntN(len(other))
						text = other[at : at+chance.IntN(len(other)-at+1)]
					case 1:
						text = `{"x":` + other + text + other + `}`
					case 2:
						text = `["` + other + `"]`
					}
				}
				if text == "" {
					text = "0"
				}
				texts = append(texts, text)
			}
			r.keep(first, texts...)
			for i, text := range texts {
				want[first+uint32(i)] = text
			}
			first += uint32(len(texts))
		}
		var numbers []uint32
		for n := range want {
			numbers = append(numbers, n)
		}
		slices.Sort(numbers)
		chance.Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
		numbers = numbers[:1+chance.IntN(len(numbers))]
		got, err := Texts(t.Context(), r, store.ID{}, numbers)
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range numbers {
			if got[i] != want[n] {
				t.Fatalf("payload %d reads\n%s\nwant\n%s", n, got[i], want[n])
			}
		}
	}
}

func TestDamagedPayloads(t *testing.T) {
	text := `{"Payload":` + document("o", 300) + `}`
	whole := rows{}
	whole.keep(1, document("o", 300), text)
	body := whole[2]
	if body[0] != payloadShared {
		t.Fatalf("it shares nothing: %q", body)
	}
	for _, row := range []struct {
		name string
		body []byte
		base string
	}{
		{"cut off", body[:3], string(whole[1])},
		{"without its numbers", body[:1], string(whole[1])},
		{"of another that is shorter", body, "{}"},
		{"of another that is empty", body, ""},
		{"of another that is shared itself", body, "\x01" + string(whole[1])},
		{"a lead beyond its end", []byte{payloadShared, 1, 0, 1, 200, 1}, string(whole[1])},
		{"a place beyond the other's end", append([]byte{payloadShared, 1, 255, 255, 3, 1, 0}, text...), string(whole[1])},
		{"a length beyond all bodies", []byte{payloadShared, 1, 0, 255, 255, 255, 255, 255, 1, 0}, string(whole[1])},
		{"of no length", []byte{payloadShared, 1, 0, 0, 0}, string(whole[1])},
	} {
		_, err := Texts(t.Context(), rows{1: []byte(row.base), 2: row.body}, store.ID{}, []uint32{2})
		if !errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	if _, err := Texts(t.Context(), rows{2: body}, store.ID{}, []uint32{2}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without the other: %v", err)
	}
}
