package record

// resize goes over to a ring of size samples, a power of two, with what both hold.
// r.mu is held.
func (r *Recording) resize(size int64) {
	from := max(0, r.head-min(size, r.size))
	if r.wide != nil {
		to := linear(rings.Get(int(4 * size)))
		rewind(to, r.wide, from, r.head)
		rings.Put(octets(r.wide))
		r.wide = to
	} else {
		to := rings.Get(int(2 * size))
		rewind(to, r.buf, from, r.head)
		rings.Put(r.buf)
		r.buf = to
	}
	r.size, r.mask, r.easy = size, size-1, 0
}

// rewind copies the samples [from, to) of both channels to their places in dst.
func rewind[T byte | int16](dst, src []T, from, to int64) {
	for from < to {
		i, k := 2*from&int64(len(dst)-1), 2*from&int64(len(src)-1)
		n := min(2*(to-from), int64(len(dst))-i, int64(len(src))-k)
		copy(dst[i:i+n], src[k:k+n])
		from += n / 2
	}
}

// ease notes a flush of n samples and gives back what the ring had grown by when
// the disk has followed for a while. r.mu is held.
func (r *Recording) ease(n int64) {
	if r.size == ringSamples || !r.open() {
		return
	}
	if r.easy++; n > ringSamples || r.head-min(r.dirtyFrom, r.written) > ringSamples/2 {
		r.easy = 0
	}
	if r.easy >= easyFlushes {
		r.resize(ringSamples)
	}
}
