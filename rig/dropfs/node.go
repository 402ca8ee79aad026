package main

import (
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is an entry as the kernel sees it. The kernel keeps nothing that was
// written: every write comes here at once.
type node struct {
	fs.Inode
	disk  *disk
	entry *entry
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeAllocater = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeLinker    = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

// mount shows the disk at a folder.
func (d *disk) mount(dir string) (*fuse.Server, error) {
	second := time.Second
	return fs.Mount(dir, &node{disk: d, entry: d.root}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second,
		MountOptions: fuse.MountOptions{FsName: "dropfs", Name: "dropfs", DirectMountStrict: true, MaxWrite: 1 << 20},
	})
}

func (n *node) child(ctx context.Context, e *entry, out *fuse.EntryOut) *fs.Inode {
	e.attributes(&out.Attr)
	return n.NewInode(ctx, &node{disk: n.disk, entry: e}, fs.StableAttr{Mode: e.mode & syscall.S_IFMT, Ino: e.number})
}

func (e *entry) attributes(out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = e.number, e.mode, uint32(max(e.links, 1))
	out.Size, out.Blocks, out.Blksize = uint64(len(e.data)), uint64(len(e.data)+511)/512, pageSize
	out.SetTimes(&e.mtime, &e.mtime, &e.mtime)
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	e := n.entry.names[name]
	if e == nil {
		return nil, syscall.ENOENT
	}
	return n.child(ctx, e, out), 0
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	n.entry.attributes(&out.Attr)
	return 0
}

func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if length, ok := in.GetSize(); ok {
		n.entry.truncate(int64(length))
	}
	if mode, ok := in.GetMode(); ok {
		n.entry.mode = n.entry.mode&syscall.S_IFMT | mode&^syscall.S_IFMT
	}
	n.entry.attributes(&out.Attr)
	return 0
}

// add makes a new entry under a name.
func (n *node) add(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.entry.names[name] != nil {
		return nil, syscall.EEXIST
	}
	e := n.disk.make(mode)
	e.links = 1
	n.entry.names[name] = e
	return n.child(ctx, e, out), 0
}

func (n *node) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	in, errno := n.add(ctx, name, syscall.S_IFREG|mode&0o777, out)
	return in, nil, 0, errno
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.add(ctx, name, syscall.S_IFDIR|mode&0o777, out)
}

func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) { return nil, 0, 0 }

func (n *node) Read(_ context.Context, _ fs.FileHandle, p []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	count := 0
	if at < int64(len(n.entry.data)) {
		count = copy(p, n.entry.data[at:])
	}
	return fuse.ReadResultData(p[:count]), 0
}

func (n *node) Write(_ context.Context, _ fs.FileHandle, p []byte, at int64) (uint32, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if errno := n.disk.write(n.entry, p, at); errno != 0 {
		return 0, errno
	}
	return uint32(len(p)), 0
}

// Fsync syncs a file, and a folder too.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.sync(n.entry)
}

// Allocate reserves nothing: it only makes a file longer where that is asked.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	const keepSize = 1
	switch mode {
	case keepSize:
		return 0
	case 0:
		n.disk.mu.Lock()
		defer n.disk.mu.Unlock()
		if end := int64(off + size); end > int64(len(n.entry.data)) {
			n.entry.truncate(end)
		}
		return 0
	}
	return syscall.ENOTSUP
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	e := n.entry.names[name]
	if e == nil {
		return syscall.ENOENT
	}
	e.links--
	delete(n.entry.names, name)
	return 0
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	switch e := n.entry.names[name]; {
	case e == nil:
		return syscall.ENOENT
	case len(e.names) > 0:
		return syscall.ENOTEMPTY
	}
	delete(n.entry.names, name)
	return 0
}

func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, as string, flags uint32) syscall.Errno {
	to, ok := parent.(*node)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	e := n.entry.names[name]
	if e == nil {
		return syscall.ENOENT
	}
	if was := to.entry.names[as]; was != nil && was != e {
		was.links--
	}
	delete(n.entry.names, name)
	to.entry.names[as] = e
	return 0
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	of, ok := target.(*node)
	if !ok {
		return nil, syscall.EINVAL
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	if n.entry.names[name] != nil {
		return nil, syscall.EEXIST
	}
	of.entry.links++
	n.entry.names[name] = of.entry
	return n.child(ctx, of.entry, out), 0
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	var all []fuse.DirEntry
	for name, e := range n.entry.names {
		all = append(all, fuse.DirEntry{Name: name, Mode: e.mode, Ino: e.number})
	}
	return fs.NewListDirStream(all), 0
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	const roomy = 64 << 30
	used, capacity := n.disk.used(), n.disk.capacity
	if capacity < 0 {
		capacity = roomy
	}
	out.Bsize, out.Frsize, out.NameLen = pageSize, pageSize, 255
	out.Blocks = uint64(max(capacity, used)) / pageSize
	out.Bfree = uint64(max(capacity-used, 0)) / pageSize
	out.Bavail = out.Bfree
	return 0
}
