package embedded

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/backstep/backstep/internal/store"
	"github.com/backstep/backstep/internal/store/storetest"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const executions = 60

// written is a disk with some executions on it, part of them in tables.
func written(t *testing.T) (*vfs.MemFS, *Store) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		t.Fatal(err)
	}
	for n := range executions {
		if err := s.Commit(t.Context(), starts(1, n)); err != nil {
			t.Fatal(err)
		}
		if n == executions/2 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return disk, s
}

var damages = flag.Int("damages", 100, "bits of a store's files to flip, and files to cut, one at a time; about as many files are damaged otherwise")

// TestDamage damages one file of a store after another: a bit is flipped, the file is
// cut, a page is zeroed, the file is deleted, or is as it was at an earlier moment.
// What is then read is right or an error that names the place, never something else.
//
// The log of a store that crashed is the exception, at its end: that it was cut there, or
// was longer, or that its last commit is damaged, can't be told from a loss of power. What
// is read then is as it was at an earlier moment, and nothing in between.
func TestDamage(t *testing.T) {
	var all, flips damaged
	for _, crashed := range []bool{false, true} {
		v := newVictim(t, crashed)
		rng := rand.New(rand.NewPCG(*crashSeed, 4))
		var here damaged
		for enough := flips.sum() + (*damages+1)/2; flips.sum() < enough; {
			way := ways[rng.IntN(len(ways))]
			path := v.files[rng.IntN(len(v.files))]
			broken := v.disk.CrashClone(vfs.CrashCloneCfg{})
			what := way.damage(v, broken, path, rng)
			if what == "" {
				continue // nothing is altered
			}
			place := fmt.Sprintf("%s, %s", path, what)
			end := v.read(broken)
			var is damaged
			switch wrong := end.wrong; {
			case wrong != "" && crashed && path == v.log && end.lost > 0 && (end.lost == 1 || !way.flips):
				is.earlier++
			case wrong != "":
				is.undetected++
				t.Errorf("%s: %s", place, wrong)
			case end.opening != nil:
				is.opening++
			case end.reading != nil:
				is.reading++
			default:
				is.harmless++
			}
			if err := end.opening; err != nil && !strings.Contains(err.Error(), "restore it from a backup") && !errors.Is(err, store.ErrForeign) && !errors.Is(err, store.ErrNewer) {
				t.Errorf("%s: nobody hears what to do: %v", place, err)
			}
			if err := cmp.Or(end.opening, end.reading); err != nil && !names(err, path) {
				is.unnamed++
				t.Logf("%s: %v", place, err)
			}
			here.add(is)
			if way.flips || way.cuts {
				flips.add(is)
			}
		}
		if here.opening+here.reading < here.sum()/5 {
			t.Errorf("crashed %v: only %v found", crashed, here)
		}
		all.add(here)
	}
	t.Logf("%d damages: %v", all.sum(), all)
	t.Logf("%d of them bit flips and cuts, floor %d: %v", flips.sum(), *damages, flips)
}

// damaged is what became of damages.
type damaged struct {
	opening, reading int // refused then
	unnamed          int // of these, without a word of where it is
	harmless         int // all that is read is right
	earlier          int // the log of a store that crashed, which reads as at an earlier moment
	undetected       int
}

func (d *damaged) add(o damaged) {
	d.opening += o.opening
	d.reading += o.reading
	d.unnamed += o.unnamed
	d.harmless += o.harmless
	d.earlier += o.earlier
	d.undetected += o.undetected
}

func (d damaged) sum() int { return d.opening + d.reading + d.harmless + d.earlier + d.undetected }

func (d damaged) String() string {
	return fmt.Sprintf("%d refused when opened, %d when read (%d without a place), %d harmless, %d as a loss of power leaves the log, %d undetected",
		d.opening, d.reading, d.unnamed, d.harmless, d.earlier, d.undetected)
}

// names reports whether an error says where the damage is: in which file, or in which row.
func names(err error, path string) bool {
	file, _, _ := strings.Cut(path[strings.LastIndex(path, "/")+1:], ".") // Pebble tells a table by its number
	return strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "read ") || strings.Contains(err.Error(), "record ")
}

// victim is a store that was written, and is to be damaged.
type victim struct {
	disk     *vfs.MemFS
	files    []string // all of them
	log      string   // the one that is being written
	earlier  []*vfs.MemFS
	accounts []told // after each of its commits, from none on
}

const victimCommits = 45

// newVictim commits what is drawn, closes the store or lets it crash, and keeps how the
// disk was meanwhile, from its making on.
func newVictim(t *testing.T, crashed bool) *victim {
	v := &victim{disk: vfs.NewCrashableMem()}
	calls := 0
	var mu sync.Mutex
	s, err := Open(testDir, smallOptions(&tapped{FS: v.disk, before: func(string, string) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%20 == 0 {
			v.earlier = append(v.earlier, v.disk.CrashClone(vfs.CrashCloneCfg{}))
		}
		return nil
	}}))
	if err != nil {
		t.Fatal(err)
	}
	batch := drawnWorkloads(*crashSeed, 1)[0].batches(0)
	model := storetest.NewMemory(storetest.MemoryOptions{}).Open()
	v.accounts = []told{account(model, 0, victimCommits)}
	for n := range victimCommits {
		b := batch(n)
		if err := errors.Join(commitTo(model, b), commitTo(s, b)); err != nil {
			t.Fatal(err)
		}
		v.accounts = append(v.accounts, account(model, 0, victimCommits))
		if n%20 == 19 {
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost := v.disk.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if crashed {
		v.disk = lost
	}
	for _, dir := range []string{testDir, testDir + "/" + dataName} {
		names, err := v.disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if path := dir + "/" + name; name != dataName {
				v.files = append(v.files, path)
				if strings.HasSuffix(name, ".log") && path > v.log {
					v.log = path
				}
			}
		}
	}
	return v
}

// ending is what came of reading a damaged store.
type ending struct {
	opening, reading error
	wrong            string // what was read and is not so
	lost             int    // how many commits ago it was so; 0: never
}

func (v *victim) read(disk vfs.FS) (e ending) {
	s, err := Open(testDir, smallOptions(disk))
	if err != nil {
		return ending{opening: err}
	}
	defer s.Close()
	got := account(s, 0, victimCommits)
	e.wrong, e.reading = v.accounts[len(v.accounts)-1].differs(got)
	for ago := 1; e.wrong != "" && ago < len(v.accounts) && e.lost == 0; ago++ {
		if wrong, err := v.accounts[len(v.accounts)-1-ago].differs(got); wrong == "" && err == nil {
			e.lost = ago
		}
	}
	return e
}

// way damages one file and says how, or nothing where it can't.
type way struct {
	flips, cuts bool
	damage      func(v *victim, disk *vfs.MemFS, path string, rng *rand.Rand) string
}

var ways = []way{
	{true, false, altered(flipped)}, {true, false, altered(flipped)}, {false, true, altered(shortened)},
	{false, false, altered(cleared)}, {false, false, deleted}, {false, false, older},
}

func altered(how func(*rand.Rand, []byte) ([]byte, string)) func(*victim, *vfs.MemFS, string, *rand.Rand) string {
	return func(_ *victim, disk *vfs.MemFS, path string, rng *rand.Rand) string {
		text, ok := contents(disk, path)
		if !ok || len(text) == 0 {
			return ""
		}
		text, what := how(rng, text)
		return overwrite(disk, path, text, what)
	}
}

func deleted(_ *victim, disk *vfs.MemFS, path string, _ *rand.Rand) string {
	if disk.Remove(path) != nil {
		return ""
	}
	return "deleted"
}

// older puts a file back as it was at an earlier moment.
func older(v *victim, disk *vfs.MemFS, path string, rng *rand.Rand) string {
	now, _ := contents(disk, path)
	for range 20 {
		at := rng.IntN(len(v.earlier))
		if then, there := contents(v.earlier[at], path); there && !bytes.Equal(then, now) {
			return overwrite(disk, path, then, fmt.Sprintf("as it was at moment %d of %d, with %d bytes of %d", at, len(v.earlier), len(then), len(now)))
		}
	}
	return ""
}

func contents(disk *vfs.MemFS, path string) (text []byte, there bool) {
	f, err := disk.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	text, err = io.ReadAll(f)
	return text, err == nil
}

func overwrite(disk *vfs.MemFS, path string, text []byte, what string) string {
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Write(text); err != nil || f.Sync() != nil {
		return ""
	}
	return what
}

func flipped(rng *rand.Rand, text []byte) ([]byte, string) {
	at := rng.IntN(len(text))
	text[at] ^= 1 << rng.IntN(8)
	return text, fmt.Sprintf("a bit at %d of %d flipped", at, len(text))
}

func shortened(rng *rand.Rand, text []byte) ([]byte, string) {
	at := rng.IntN(len(text))
	return text[:at], fmt.Sprintf("cut at %d of %d", at, len(text))
}

func cleared(rng *rand.Rand, text []byte) ([]byte, string) {
	page := []int{512, 4096}[rng.IntN(2)]
	at := rng.IntN(len(text)) / page * page
	clear(text[at:min(at+page, len(text))])
	return text, fmt.Sprintf("%d bytes zeroed at %d of %d", page, at, len(text))
}

// TestDamageInTheMidstOfALog: a bit that is flipped in the log of a store that crashed is
// found wherever it is, but in the last of all commits: nothing tells then whether this
// was acknowledged. Some commits fill several of the log's blocks, which Pebble miscounts.
func TestDamageInTheMidstOfALog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s, err := Open(testDir, Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	const commits = 12 // all in one log
	path, _ := logOf(t, disk)
	var ends []int // of the log after each commit
	for n := range commits {
		if err := s.Commit(t.Context(), largePayloads(1, n)); err != nil {
			t.Fatal(err)
		}
		now, text := logOf(t, disk)
		if now != path {
			t.Fatalf("commit %d begins another log", n)
		}
		ends = append(ends, len(text))
	}
	lost := disk.CrashClone(vfs.CrashCloneCfg{})
	rng := rand.New(rand.NewPCG(*crashSeed, 5))
	for n := range commits {
		from := 0
		if n > 0 {
			from = ends[n-1]
		}
		for i := range 12 {
			at := from + rng.IntN([]int{60, ends[n] - from}[i%2])
			disk := lost.CrashClone(vfs.CrashCloneCfg{})
			text, _ := contents(disk, path)
			text[at] ^= 1 << rng.IntN(8)
			overwrite(disk, path, text, "")
			s, err := Open(testDir, Options{FS: disk})
			if n < commits-1 {
				if !errors.Is(err, store.ErrDamaged) {
					t.Fatalf("a bit at %d, in commit %d, which ends at %d: %v", at, n, ends[n], err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Payloads(t.Context(), idOf(1, 1), []uint32{commits - 2}); err != nil {
				t.Errorf("a bit in the last commit, and of the one before: %v", err)
			}
			s.Close()
		}
	}
}

// TestALargeBatchTakesNothingBack: what a commit says of those before it in the log is no
// less behind a batch that outgrows a memtable.
func TestALargeBatchTakesNothingBack(t *testing.T) {
	s, err := Open(testDir, smallOptions(vfs.NewCrashableMem()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	said := uint64(0)
	for n, size := range []int{100, 100, 200 << 10, 100} {
		b := &store.Batch{Payloads: []store.Payload{{ID: idOf(1, 1), Number: uint32(n), Body: textOf(n, size)}}}
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if now := s.horizon.before(); now < said || said == 0 && now == 0 {
			t.Errorf("after commit %d all before %d is said to be durable, %d was", n, now, said)
		} else {
			said = now
		}
	}
}

// TestTornLog cuts the log at every byte of its last record: all before it is
// there, and the record whole or not at all.
func TestTornLog(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	for n := range 3 {
		if err := s.Commit(t.Context(), starts(1, n)); err != nil {
			t.Fatal(err)
		}
	}
	path, before := logOf(t, disk)
	if err := s.Commit(t.Context(), starts(1, 3)); err != nil {
		t.Fatal(err)
	}
	_, all := logOf(t, disk)
	for end := len(before); end <= len(all); end += 1 + end%3 {
		torn := disk.CrashClone(vfs.CrashCloneCfg{})
		f, err := torn.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(append([]byte(nil), all[:end]...)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := Open(testDir, smallOptions(torn))
		if err != nil {
			t.Fatalf("cut at %d of %d: %v", end, len(all), err)
		}
		for n := range 4 {
			_, err := s.Load(t.Context(), idOf(1, n))
			if there := end == len(all) || n < 3; there != (err == nil) {
				t.Fatalf("cut at %d of %d: execution %d: %v", end, len(all), n, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// logOf is the path and text of the log that is being written.
func logOf(t *testing.T, disk *vfs.MemFS) (path string, text []byte) {
	t.Helper()
	names, err := disk.List(testDir + "/" + dataName)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".log") && name > path {
			path = name
		}
	}
	path = testDir + "/" + dataName + "/" + path
	f, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err = io.ReadAll(f); err != nil {
		t.Fatal(err)
	}
	return path, text
}
