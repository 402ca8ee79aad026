// Package shop is what the three services of the example share: the order that
// travels through the saga, the ids of transactions, and how a service opens
// its database.
package shop

import (
	"math"
	"strings"

	"github.com/google/uuid"
)

// Order is the document that the saga hands from step to step.
type Order struct {
	ID        string     `json:"order_id"`
	Date      string     `json:"order_date"`
	Customer  string     `json:"customer_id"`
	Status    string     `json:"order_status,omitempty"`
	Items     []Item     `json:"items"`
	Payment   *Payment   `json:"payment,omitempty"`
	Inventory *Inventory `json:"inventory,omitempty"`
}

// Item is a line of an order.
type Item struct {
	ID          string  `json:"item_id"`
	Quantity    float64 `json:"qty"`
	Description string  `json:"description"`
	UnitPrice   float64 `json:"unit_price"`
}

// Payment is a transaction of the payment service.
type Payment struct {
	Merchant    string  `json:"merchant_id"`
	Amount      float64 `json:"payment_amount"`
	Transaction string  `json:"transaction_id"`
	Date        string  `json:"transaction_date"`
	OrderID     string  `json:"order_id"`
	Type        string  `json:"payment_type"`
}

// Inventory is a transaction of the inventory service.
type Inventory struct {
	Transaction string   `json:"transaction_id"`
	Date        string   `json:"transaction_date"`
	OrderID     string   `json:"order_id"`
	Items       []string `json:"items"`
	Type        string   `json:"transaction_type"`
}

// Cents is what the order costs.
func (o Order) Cents() int64 {
	var total int64
	for _, i := range o.Items {
		total += int64(math.Round(i.Quantity * i.UnitPrice * 100))
	}
	return total
}

// ItemIDs are the ids of the order's items.
func (o Order) ItemIDs() []string {
	ids := make([]string, len(o.Items))
	for i, item := range o.Items {
		ids[i] = item.ID
	}
	return ids
}

// Fails tells whether a function fails for this order on purpose: each kind of
// failure has a prefix of the order id. It fails after its work is done, as
// the worst of failures do.
func (o Order) Fails(prefix string) bool { return strings.HasPrefix(o.ID, prefix) }

var transactions = uuid.NewSHA1(uuid.NameSpaceDNS, []byte("order.example.backstep"))

// TransactionID names a transaction of an order: the same for every try, so
// that a step that runs twice writes once.
func TransactionID(orderID, kind string) string {
	return uuid.NewSHA1(transactions, []byte(orderID+"|"+kind)).String()
}
