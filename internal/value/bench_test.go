package value_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/backstep/backstep/internal/value"
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

func decodeUseNumber(text string) (any, error) {
	var v any
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	err := d.Decode(&v)
	return v, err
}

func BenchmarkDecode(b *testing.B) {
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := decodeUseNumber(order); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t, err := value.Check(order)
			if err != nil || t.Decode().Len() != 8 {
				b.Fatal(err)
			}
		}
	})
	b.Run("value, checked before", func(b *testing.B) {
		t, _ := value.Check(order)
		b.ReportAllocs()
		for b.Loop() {
			t.Decode()
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	b.Run("encoding/json", func(b *testing.B) {
		raw := []byte(order)
		b.SetBytes(int64(len(raw)))
		for b.Loop() {
			json.Valid(raw)
		}
	})
	b.Run("value", func(b *testing.B) {
		b.SetBytes(int64(len(order)))
		for b.Loop() {
			if _, err := value.Check(order); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	b.Run("encoding/json", func(b *testing.B) {
		v, _ := decodeUseNumber(order)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("value", func(b *testing.B) {
		t, _ := value.Check(order)
		v := t.Decode()
		b.ReportAllocs()
		for b.Loop() {
			v.Text()
		}
	})
	b.Run("value, counted only", func(b *testing.B) {
		t, _ := value.Check(order)
		v := t.Decode()
		for b.Loop() {
			if !v.Fits(262_144) {
				b.Fatal("too big")
			}
		}
	})
}
