package items

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/backstep/backstep/internal/integration"
)

// Folders are buckets that are folders of this machine, by their names. Keys are
// paths within them; nothing outside of them is ever reached.
type Folders map[string]string

func noBucket(name string) error {
	return integration.NewError("S3.NoSuchBucketException", "The specified bucket does not exist: "+name, integration.EffectNone)
}

func noKey(key string) error {
	return integration.NewError("S3.NoSuchKeyException", "The specified key does not exist: "+key, integration.EffectNone)
}

// root opens a bucket's folder.
func (f Folders) root(bucket string) (*os.Root, error) {
	dir, known := f[bucket]
	if !known {
		return nil, noBucket(bucket)
	}
	return os.OpenRoot(dir)
}

// Open implements [integration.Objects]. Folders belong to no account: who owns
// a bucket is not asked.
func (f Folders) Open(_ context.Context, o integration.Object) (integration.Content, error) {
	root, err := f.root(o.Bucket)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	opened, err := root.Open(filepath.FromSlash(o.Key))
	if errors.Is(err, fs.ErrNotExist) || err != nil && !filepath.IsLocal(filepath.FromSlash(o.Key)) {
		return nil, noKey(o.Key)
	}
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = noKey(o.Key)
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return &file{opened, info}, nil
}

// file is a file that is open, as it was then.
type file struct {
	*os.File
	info fs.FileInfo
}

// Size implements [integration.Content].
func (f *file) Size() int64 { return f.info.Size() }

// ETag implements [integration.Content].
func (f *file) ETag() string { return etag(f.info) }

// ReadAt implements [integration.Content].
func (f *file) ReadAt(_ context.Context, b []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(b, at)
	if now, wrong := f.Stat(); wrong != nil || etag(now) != etag(f.info) {
		return 0, errors.Join(errChanged, wrong)
	}
	return n, err
}

// etag tells one writing of a file from another.
func etag(info fs.FileInfo) string {
	return fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size())
}

// List implements [integration.Objects].
func (f Folders) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	root, err := f.root(l.Bucket)
	if err != nil {
		return integration.Listed{}, err
	}
	defer root.Close()
	w := walk{ctx, root.FS(), l, nil}
	if err := w.folder("."); err != nil {
		return integration.Listed{}, err
	}
	page := integration.Listed{Objects: w.found}
	if len(w.found) > l.Limit {
		page.Objects = w.found[:l.Limit]
		page.Next = w.found[l.Limit-1].Key
	}
	return page, nil
}

// walk goes through a folder in the order of the keys, and only where keys can be
// that are asked for. It finds one more than is asked for, where there is one.
type walk struct {
	context context.Context
	root    fs.FS
	asked   integration.Listing
	found   []integration.Entry
}

// folder goes through a folder and what is beneath it.
func (w *walk) folder(path string) error {
	entries, err := fs.ReadDir(w.root, path)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(key(path, a), key(path, b)) })
	from := sort.Search(len(entries), func(i int) bool { // those before have nothing after asked.After
		k := key(path, entries[i])
		return k > w.asked.After || entries[i].IsDir() && strings.HasPrefix(w.asked.After, k)
	})
	for _, entry := range entries[from:] {
		if len(w.found) > w.asked.Limit {
			return nil
		}
		if err := w.entry(key(path, entry), entry); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(key string, entry fs.DirEntry) error {
	if err := w.context.Err(); err != nil {
		return err
	}
	within := strings.HasPrefix(key, w.asked.Prefix)
	switch {
	case entry.IsDir() && (within || strings.HasPrefix(w.asked.Prefix, key)):
		return w.folder(strings.TrimSuffix(key, "/"))
	case !within || !entry.Type().IsRegular():
		return nil
	}
	info, err := entry.Info()
	if err != nil {
		return nil // it is gone by now
	}
	w.found = append(w.found, integration.Entry{
		Key: key, ETag: etag(info), LastModified: info.ModTime().Unix(), Size: info.Size(), StorageClass: "STANDARD",
	})
	return nil
}

// key is the key of a file, or what all keys in a folder begin with.
func key(path string, entry fs.DirEntry) string {
	name := entry.Name()
	if path != "." {
		name = path + "/" + name
	}
	if entry.IsDir() {
		name += "/"
	}
	return name
}

// Put implements [integration.Objects]. The file is there whole or not at all.
func (f Folders) Put(_ context.Context, o integration.Object, body []byte) error {
	root, err := f.root(o.Bucket)
	if err != nil {
		return err
	}
	defer root.Close()
	path := filepath.FromSlash(o.Key)
	if dir := filepath.Dir(path); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := write(root, path+".part", body); err != nil {
		return err
	}
	return root.Rename(path+".part", path)
}

func write(root *os.Root, path string, body []byte) error {
	file, err := root.Create(path)
	if err != nil {
		return err
	}
	if _, err = file.Write(body); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
