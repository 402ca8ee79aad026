module github.com/backstep/backstep/rig/dropfs

go 1.26.0

toolchain go1.26.11

require github.com/hanwen/go-fuse/v2 v2.12.1

require golang.org/x/sys v0.28.0 // indirect
