// Command ledger reads the services' database files and prints, as one JSON
// object, the money and stock of each order: {"ORDER": {"debit": cents,
// "refund": cents, "reserved": bool, "status": "New"}}.
package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/backstep/backstep/examples/order/shop"
)

// account is what the services hold of one order.
type account struct {
	Debit    int64  `json:"debit"`
	Refund   int64  `json:"refund"`
	Reserved bool   `json:"reserved"`
	Status   string `json:"status"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: ledger FOLDER   (where orders.db, payments.db and inventory.db lie)")
	}
	accounts, err := read(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(accounts); err != nil {
		log.Fatal(err)
	}
}

func read(folder string) (map[string]*account, error) {
	accounts := map[string]*account{}
	of := func(id string) *account {
		if accounts[id] == nil {
			accounts[id] = &account{}
		}
		return accounts[id]
	}
	err := each(folder, "orders", `SELECT order_id, status, 0 FROM orders`, func(id, status string, _ int64) {
		of(id).Status = status
	})
	if err != nil {
		return nil, err
	}
	err = each(folder, "payments", `SELECT order_id, type, cents FROM payments`, func(id, kind string, cents int64) {
		if kind == "Debit" {
			of(id).Debit += cents
		} else {
			of(id).Refund -= cents
		}
	})
	if err != nil {
		return nil, err
	}
	err = each(folder, "inventory", `SELECT order_id, type, 0 FROM inventory ORDER BY type DESC`, func(id, kind string, _ int64) {
		of(id).Reserved = kind == "Reserve" // a Release, where there is one, comes after its Reserve
	})
	return accounts, err
}

// each calls row for every row of a query to one service's database. A service
// that never ran has no rows.
func each(folder, service, query string, row func(id, text string, number int64)) error {
	path := filepath.Join(folder, service+".db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := sql.Open(shop.Driver, "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, text string
		var number int64
		if err := rows.Scan(&id, &text, &number); err != nil {
			return err
		}
		row(id, text, number)
	}
	return rows.Err()
}
