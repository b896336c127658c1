package play

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// maxOggPacket bounds a packet: 120 ms of Opus is far less, tags may hold a picture.
const maxOggPacket = 8 << 20

// oggReader takes the packets of the first logical stream out of an Ogg file
// (RFC 3533).
type oggReader struct {
	r      *bufio.Reader
	began  bool
	serial uint32

	granule uint64 // of the page the last packet came from
	last    bool   // that page was the stream's last

	lacing []byte // what is left of the page's table
	body   []byte // and of its body
	page   [255 * 255]byte
	table  [255]byte
	out    []byte
}

// packet is good until the next call; io.EOF at the end of the stream.
func (o *oggReader) packet() ([]byte, error) {
	o.out = o.out[:0]
	for {
		for len(o.lacing) > 0 {
			n := int(o.lacing[0])
			o.lacing = o.lacing[1:]
			if len(o.out)+n > maxOggPacket {
				return nil, fmt.Errorf("%w: an Ogg packet of more than %d MiB", ErrTooLong, maxOggPacket>>20)
			}
			o.out = append(o.out, o.body[:n]...)
			o.body = o.body[n:]
			if n < 255 { // a lacing value of less ends the packet
				return o.out, nil
			}
		}
		if o.last {
			return nil, io.EOF
		}
		if err := o.next(); err != nil {
			return nil, err
		}
	}
}

// next reads the stream's next page; pages of others are passed over.
func (o *oggReader) next() error {
	for {
		var h [27]byte
		if _, err := io.ReadFull(o.r, h[:]); err == io.EOF {
			return io.EOF // a file that was cut off between pages
		} else if err != nil {
			return short(err, "the header of an Ogg page")
		}
		if string(h[:4]) != "OggS" || h[4] != 0 {
			return fmt.Errorf("%w: no Ogg page where one should begin", ErrFormat)
		}
		table := o.table[:h[26]]
		if _, err := io.ReadFull(o.r, table); err != nil {
			return short(err, "the table of an Ogg page")
		}
		size := 0
		for _, n := range table {
			size += int(n)
		}
		body := o.page[:size]
		if _, err := io.ReadFull(o.r, body); err != nil {
			return short(err, "an Ogg page")
		}
		want := binary.LittleEndian.Uint32(h[22:])
		clear(h[22:26])
		if got := oggCRC(oggCRC(oggCRC(0, h[:]), table), body); got != want {
			return fmt.Errorf("%w: an Ogg page is damaged", ErrFormat)
		}
		serial := binary.LittleEndian.Uint32(h[14:])
		if !o.began {
			o.began, o.serial = true, serial
		}
		if serial != o.serial {
			continue
		}
		if h[5]&1 == 0 && len(o.out) > 0 {
			o.out = o.out[:0] // the rest of the packet is missing
		}
		o.granule, o.last = binary.LittleEndian.Uint64(h[6:]), h[5]&4 != 0
		o.lacing, o.body = table, body
		return nil
	}
}

// oggTable is for the polynomial 0x04c11db7, not reflected (RFC 3533 6).
var oggTable = func() (t [256]uint32) {
	for i := range t {
		c := uint32(i) << 24
		for range 8 {
			if c&(1<<31) != 0 {
				c = c<<1 ^ 0x04c11db7
			} else {
				c <<= 1
			}
		}
		t[i] = c
	}
	return t
}()

func oggCRC(c uint32, b []byte) uint32 {
	for _, x := range b {
		c = c<<8 ^ oggTable[byte(c>>24)^x]
	}
	return c
}
