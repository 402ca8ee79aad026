package items

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// Open implements [integration.Objects].
func (f Folders) Open(_ context.Context, o integration.Object, from int64) (io.ReadCloser, error) {
	root, err := f.root(o.Bucket)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(filepath.FromSlash(o.Key))
	if errors.Is(err, fs.ErrNotExist) || err != nil && !filepath.IsLocal(filepath.FromSlash(o.Key)) {
		return nil, noKey(o.Key)
	}
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		file.Close()
		return nil, noKey(o.Key)
	}
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// List implements [integration.Objects]. The next page is asked for by the last
// key.
func (f Folders) List(ctx context.Context, l integration.Listing) (integration.Listed, error) {
	root, err := f.root(l.Bucket)
	if err != nil {
		return integration.Listed{}, err
	}
	defer root.Close()
	var keys []string
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && d.Type().IsRegular() && strings.HasPrefix(path, l.Prefix) && path > l.After {
			keys = keep(keys, path, l.Limit+1)
		}
		return err
	})
	if err != nil {
		return integration.Listed{}, err
	}
	var page integration.Listed
	if len(keys) > l.Limit {
		keys = keys[:l.Limit]
		page.Next = keys[l.Limit-1]
	}
	for _, key := range keys {
		if entry, err := describe(root, key); err == nil { // else it is gone by now
			page.Objects = append(page.Objects, entry)
		}
	}
	return page, nil
}

// keep puts a key in its place among the least ones, at most so many.
func keep(keys []string, key string, most int) []string {
	at, _ := slices.BinarySearch(keys, key)
	if keys = slices.Insert(keys, at, key); len(keys) > most {
		keys = keys[:most]
	}
	return keys
}

// describe is an object as a list has it. Its tag is the MD5 of what it holds.
func describe(root *os.Root, key string) (integration.Entry, error) {
	file, err := root.Open(filepath.FromSlash(key))
	if err != nil {
		return integration.Entry{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return integration.Entry{}, err
	}
	sum := md5.New()
	if _, err := bufio.NewReader(file).WriteTo(sum); err != nil {
		return integration.Entry{}, err
	}
	return integration.Entry{
		Key: key, ETag: `"` + hex.EncodeToString(sum.Sum(nil)) + `"`, LastModified: info.ModTime().Unix(), Size: info.Size(), StorageClass: "STANDARD",
	}, nil
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
