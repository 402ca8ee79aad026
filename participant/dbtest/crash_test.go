package dbtest

const childVariable = "BACKSTEP_DBTEST_CHILD"

func child(string) {}
