// Package dbtest holds the tests of package participant against PostgreSQL, MariaDB
// and SQLite: one suite for all three. It is a module of its own, so that the drivers
// that it needs are not what those who use the package get.
package dbtest
