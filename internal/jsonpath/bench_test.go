package jsonpath_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/jsonpath"
)

// order is a payload of usual shape and 0.8 kB: the yardstick of these
// benchmarks, beside encoding/json.
const order = `{"orderId":"7d1f0c2a-93f4-4b57-a1de-5f2f8c3b9e10","placedAt":"2026-03-14T09:26:53.589Z",` +
	`"customer":{"id":48213,"name":"Ada Lovelace","email":"ada@example.org","vip":true,"since":"2019-07-02",` +
	`"address":{"street":"12 St James's Square","city":"London","zip":"SW1Y 4JH","country":"GB"}},` +
	`"items":[{"sku":"KB-101-US","title":"Mechanical keyboard","qty":1,"unit_price":129.90,"tags":["input","usb-c"]},` +
	`{"sku":"MS-220","title":"Mouse \u2013 wireless","qty":2,"unit_price":39.50,"tags":["input"]},` +
	`{"sku":"CB-USB-2M","title":"Cable, 2 m","qty":5,"unit_price":7.25,"tags":[]}],` +
	`"payment":{"method":"card","currency":"GBP","amount":245.15,"captured":false,"reference":null},` +
	`"shipping":{"carrier":"Royal Post","price":4.5e0,"weight_g":1830,"insured":true},"notes":"Please ring the bell \"twice\".","version":3}`

func BenchmarkPath(b *testing.B) {
	b.Run("encoding/json decodes the document", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v any
			d := json.NewDecoder(strings.NewReader(order))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				b.Fatal(err)
			}
		}
	})
	s := &scope{input: parse(`{"order":` + order + `,"a":{"x":1,"b":[{"c":"found"},{"c":2}]}}`)}
	for _, text := range []string{
		"$.a.b[0].c",
		"$.order.customer.address.city",
		"$.order.items[1].unit_price",
		"$.order.items[*].qty",
		"$.order.items[?(@.qty > 1)].sku",
		"$..sku",
		"States.Format('{}: {}', $.order.orderId, $.order.payment.amount)",
	} {
		b.Run(text, func(b *testing.B) {
			e, err := jsonpath.CompileExpression(text)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Eval(s, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
