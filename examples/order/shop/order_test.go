package shop

import "testing"

func TestOrderCostsWhatItsItemsCost(t *testing.T) {
	o := Order{Items: []Item{{Quantity: 1, UnitPrice: 19.99}, {Quantity: 1, UnitPrice: 23.98}, {Quantity: 2, UnitPrice: 6.5}}}
	if got := o.Cents(); got != 5697 {
		t.Errorf("the order costs %d cents, not 5697", got)
	}
}

func TestTransactionsAreNamedByOrderAndKind(t *testing.T) {
	debit := TransactionID("1", "Debit")
	if debit != TransactionID("1", "Debit") {
		t.Error("the same transaction has two ids: a try again would write it twice")
	}
	if debit == TransactionID("1", "Credit") || debit == TransactionID("2", "Debit") {
		t.Error("two transactions have one id: the second would not be written")
	}
}
