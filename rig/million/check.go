package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// manifest is what a run's manifest.json has of its files.
type manifest struct {
	ResultFiles map[string][]struct {
		Key  string
		Size int64
	}
}

// checkFiles reads the result files: each item must stand in them once.
func checkFiles(bucket string, items int) error {
	found, err := filepath.Glob(filepath.Join(bucket, "out", "*", "manifest.json"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("%d manifests were written, not one: %v", len(found), err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	seen := make([]uint8, items)
	for _, file := range m.ResultFiles["SUCCEEDED"] {
		if err := readFile(filepath.Join(bucket, file.Key), file.Size, seen); err != nil {
			return err
		}
	}
	missing, twice := 0, 0
	for _, n := range seen {
		switch n {
		case 0:
			missing++
		case 1:
		default:
			twice++
		}
	}
	fmt.Printf("  result files     %d; %d items are missing, %d stand there twice\n", len(m.ResultFiles["SUCCEEDED"]), missing, twice)
	return missed(missing+twice > 0 || len(m.ResultFiles["FAILED"]) > 0, "result files: %d items are missing, %d stand there twice, %d files of failures",
		missing, twice, len(m.ResultFiles["FAILED"]))
}

// readFile takes note of the items in a file of results.
func readFile(path string, size int64, seen []uint8) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || info.Size() != size {
		return fmt.Errorf("%s has not the size that the manifest tells: %v", path, err)
	}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var item struct{ N *int }
		if err := json.Unmarshal(lines.Bytes(), &item); err != nil || item.N == nil || *item.N < 0 || *item.N >= len(seen) {
			return fmt.Errorf("%s: %q is no item: %v", path, lines.Bytes(), err)
		}
		seen[*item.N] = min(seen[*item.N]+1, 2)
	}
	return lines.Err()
}
