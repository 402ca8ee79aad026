package jsonata

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/backstep/backstep/internal/value"
)

// order is a document of usual shape and 0.8 kB.
const order = `{"orderId":"7d1f0c2a-93f4-4b57-a1de-5f2f8c3b9e10","placedAt":"2026-03-14T09:26:53.589Z",` +
	`"customer":{"id":48213,"name":"Ada Lovelace","email":"ada@example.org","vip":true,"since":"2019-07-02",` +
	`"address":{"street":"12 St James's Square","city":"London","zip":"SW1Y 4JH","country":"GB"}},` +
	`"items":[{"sku":"KB-101-US","title":"Mechanical keyboard","qty":1,"unit_price":129.90,"tags":["input","usb-c"]},` +
	`{"sku":"MS-220","title":"Mouse \u2013 wireless","qty":2,"unit_price":39.50,"tags":["input"]},` +
	`{"sku":"CB-USB-2M","title":"Cable, 2 m","qty":5,"unit_price":7.25,"tags":[]}],` +
	`"payment":{"method":"card","currency":"GBP","amount":245.15,"captured":false,"reference":null},` +
	`"shipping":{"carrier":"Royal Post","price":4.5e0,"weight_g":1830,"insured":true},"notes":"Please ring the bell \"twice\".","version":3}`

func orderEnv(tb testing.TB) Env {
	text, err := value.Check(`{"states":{"input":{"order":` + order + `,"attempt":1}}}`)
	if err != nil {
		tb.Fatal(err)
	}
	return Env{Vars: bindings{text.Decode()}}
}

// BenchmarkDecode is the yardstick: encoding/json reads the same document.
func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	before := cpu()
	for range b.N {
		d := json.NewDecoder(strings.NewReader(order))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, before)
}

// reportCPU tells the time of the processors, which others do not slow down as
// much.
func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

func BenchmarkEval(b *testing.B) {
	for _, c := range []struct{ name, source string }{
		{"path", `$states.input.order.customer.address.city`},
		{"filterSum", `$sum($states.input.order.items[qty>1].(unit_price*qty))`},
		{"object", `{"id": $states.input.order.orderId & "-x", "n": $count($states.input.order.items)}`},
		{"merge", `$merge([$states.input.order.customer, {"vip": true}])`},
		{"map", `$map($states.input.order.items, function($i){ {"sku": $i.sku, "total": $i.qty * $i.unit_price} })`},
		{"string", `$string($states.input.order)`},
		{"condition", `$states.input.order.payment.method = "card" and $states.input.attempt < 3`},
	} {
		b.Run(c.name, func(b *testing.B) {
			e, err := Compile(c.source, AWS)
			if err != nil {
				b.Fatal(err)
			}
			env := orderEnv(b)
			b.ReportAllocs()
			before := cpu()
			for range b.N {
				if _, err := e.Eval(env); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, before)
		})
	}
}
