package fiend

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"sync"
)

// packed is 64 MiB of zeros, compressed.
var packed = sync.OnceValue(func() string {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, _ = w.Write(zeros)
	}
	_ = w.Close()
	return b.String()
})

func (c *call) bomb() {
	body := packed()
	c.say("200 OK", fmt.Sprintf("Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d", len(body)), body)
}
