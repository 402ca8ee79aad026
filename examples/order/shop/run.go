package shop

import (
	"database/sql"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

// Run runs the one of a service's functions that the program's last argument
// names, as a function of the Lambda Runtime API, over the service's database.
func Run(schema string, functions func(*sql.DB) map[string]any) {
	db, err := Open(schema)
	if err != nil {
		log.Fatal(err)
	}
	all := functions(db)
	name := os.Args[len(os.Args)-1]
	function := all[name]
	if function == nil {
		log.Fatalf("%q is no function of this service; there are %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	lambda.Start(function)
}
