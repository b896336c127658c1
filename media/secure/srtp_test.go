package secure

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v3"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyDerivation: RFC 3711 B.3 and RFC 6188 7.2.
func TestKeyDerivation(t *testing.T) {
	for _, x := range []struct {
		name, key, salt         string
		wantKey, wantSalt, auth string
	}{
		{"RFC 3711 B.3", "E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
			"C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1", "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
		{"RFC 6188 7.2", "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
			"5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
			"fa31791685ca444a9e07c6c64e93", "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
	} {
		t.Run(x.name, func(t *testing.T) {
			key := unhex(t, x.key)
			master := Secret(append(bytes.Clone(key), unhex(t, x.salt)...))
			for label, want := range []string{x.wantKey, x.auth, x.wantSalt} {
				w := unhex(t, want)
				if got := derive(master, len(key), byte(label), len(w)); !bytes.Equal(got, w) {
					t.Errorf("label %d: %x, want %x", label, got, w)
				}
			}
		})
	}
}

// with makes a direction of given session keys, for vectors that begin there.
func with(t *testing.T, suite Suite, key, salt []byte) *direction {
	t.Helper()
	d := newDirection(suite, make(Secret, suite.KeyBytes()), nil)
	for _, c := range []*cryptor{&d.rtp, &d.control} {
		c.salt = [14]byte{}
		copy(c.salt[:], salt)
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		if c.aead != nil {
			if c.aead, err = cipher.NewGCM(block); err != nil {
				t.Fatal(err)
			}
			continue
		}
		c.block = block
		c.mac = hmac.New(sha1.New, make([]byte, 20))
	}
	return d
}

// TestKeyStream: RFC 3711 B.2 and RFC 6188 7.1. Zeros encrypted are the stream.
func TestKeyStream(t *testing.T) {
	for _, x := range []struct {
		name, key, stream string
		suite             Suite
	}{
		{"RFC 3711 B.2", "2B7E151628AED2A6ABF7158809CF4F3C", "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0", AES128CM80},
		{"RFC 6188 7.1", "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
			"92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31", AES256CM80},
	} {
		t.Run(x.name, func(t *testing.T) {
			d := with(t, x.suite, unhex(t, x.key), unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"))
			want := unhex(t, x.stream)
			packet := make([]byte, 12+len(want))
			packet[0] = 0x80 // sequence number and SSRC zero
			got, err := d.protect(make([]byte, 0, 200), packet)
			if err != nil || !bytes.Equal(got[12:12+len(want)], want) {
				t.Errorf("%v\n%x, want\n%x", err, got[12:], want)
			}
		})
	}
}

// TestAEAD: RFC 7714 16.1, 16.2 and 17.1, 17.2, both ways.
func TestAEAD(t *testing.T) {
	rtp := "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573"
	rtcp := "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef"
	for _, x := range []struct {
		suite           Suite
		key, rtp, rtcps string
	}{
		{AEAD128GCM, "000102030405060708090a0b0c0d0e0f",
			`8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
			`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`},
		{AEAD256GCM, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			`8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
			`81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4`},
	} {
		t.Run(x.suite.String(), func(t *testing.T) {
			key, salt := unhex(t, x.key), unhex(t, "517569642070726f2071756f")
			d := with(t, x.suite, key, salt)
			got, err := d.protect(make([]byte, 0, 200), unhex(t, rtp))
			if err != nil || !bytes.Equal(got, unhex(t, x.rtp)) {
				t.Errorf("RTP: %v %x", err, got)
			}
			d.keep(0x4d617273).control = window{high: 0x5d3, used: true}
			got, err = d.protectRTCP(make([]byte, 0, 200), unhex(t, rtcp))
			if err != nil || !bytes.Equal(got, unhex(t, x.rtcps)) {
				t.Errorf("RTCP: %v %x", err, got)
			}
			d = with(t, x.suite, key, salt)
			if got, err = d.unprotect(make([]byte, 0, 200), unhex(t, x.rtp)); err != nil || !bytes.Equal(got, unhex(t, rtp)) {
				t.Errorf("RTP back: %v %x", err, got)
			}
			if got, err = d.unprotectRTCP(make([]byte, 0, 200), unhex(t, x.rtcps)); err != nil || !bytes.Equal(got, unhex(t, rtcp)) {
				t.Errorf("RTCP back: %v %x", err, got)
			}
		})
	}
}

func keysOf(s Suite, seed byte) (local, remote Secret) {
	local, remote = make(Secret, s.KeyBytes()), make(Secret, s.KeyBytes())
	for i := range local {
		local[i], remote[i] = seed+byte(i), ^seed-byte(3*i)
	}
	return local, remote
}

func pair(t testing.TB, s Suite) (a, b *Session) {
	t.Helper()
	x, y := keysOf(s, 7)
	a, err := NewSession(Keys{Suite: s, Local: x, Remote: y})
	if err != nil {
		t.Fatal(err)
	}
	if b, err = NewSession(Keys{Suite: s, Local: y, Remote: x}); err != nil {
		t.Fatal(err)
	}
	return a, b
}

func packetOf(ssrc uint32, seq uint16, n int) []byte {
	b := make([]byte, 12+n)
	b[0], b[1] = 0x80, 8
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(b[8:], ssrc)
	for i := range n {
		b[12+i] = byte(i) ^ byte(seq)
	}
	return b
}

var everySuite = []Suite{AEAD128GCM, AEAD256GCM, AES128CM80, AES256CM80, AES128CM32, AES256CM32}

// TestAgainstPion: what we send pion reads and the other way round, over the wrap
// of the sequence number, with loss and reordering, a header with CSRCs and an
// extension, two SSRCs, and RTCP; with and without an MKI of the peer's.
func TestAgainstPion(t *testing.T) {
	profiles := map[Suite]srtp.ProtectionProfile{AEAD128GCM: srtp.ProtectionProfileAeadAes128Gcm, AEAD256GCM: srtp.ProtectionProfileAeadAes256Gcm,
		AES128CM80: srtp.ProtectionProfileAes128CmHmacSha1_80, AES256CM80: srtp.ProtectionProfileAes256CmHmacSha1_80,
		AES128CM32: srtp.ProtectionProfileAes128CmHmacSha1_32, AES256CM32: srtp.ProtectionProfileAes256CmHmacSha1_32}
	for _, suite := range everySuite {
		for _, mki := range [][]byte{nil, {0, 0, 0, 1}} {
			t.Run(fmt.Sprintf("%v/mki=%x", suite, mki), func(t *testing.T) {
				local, remote := keysOf(suite, 40)
				us, err := NewSession(Keys{Suite: suite, Local: local, Remote: remote, RemoteMKI: mki})
				if err != nil {
					t.Fatal(err)
				}
				k := suites[suite].key
				reads, err := srtp.CreateContext(local[:k], local[k:], profiles[suite], srtp.SRTPReplayProtection(64))
				if err != nil {
					t.Fatal(err)
				}
				writes, err := srtp.CreateContext(remote[:k], remote[k:], profiles[suite], srtp.MasterKeyIndicator(mki))
				if err != nil {
					t.Fatal(err)
				}
				buf := make([]byte, 0, 2000)
				seq := uint16(65000)
				for i := range 1200 {
					p := packetOf(0xA0+uint32(i%2), seq, 160)
					if i%50 == 7 { // CSRCs and an extension
						p = append([]byte{0x92, p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11],
							1, 2, 3, 4, 5, 6, 7, 8, 0xBE, 0xDE, 0, 1, 0x10, 9, 0, 0}, p[12:]...)
					}
					out, err := us.Protect(buf, p)
					if err != nil {
						t.Fatal(err)
					}
					if i%7 != 3 { // every seventh is lost
						if got, err := reads.DecryptRTP(nil, out, nil); err != nil || !bytes.Equal(got, p) {
							t.Fatalf("pion reads packet %d: %v", i, err)
						}
					}
					theirs, err := writes.EncryptRTP(nil, p, nil)
					if err != nil {
						t.Fatal(err)
					}
					if i%5 != 2 {
						if got, err := us.Unprotect(buf, theirs, t0); err != nil || !bytes.Equal(got, p) {
							t.Fatalf("we read packet %d: %v", i, err)
						}
					}
					if i%2 == 1 {
						seq++
					}
				}
				report := append([]byte{0x80, 201, 0, 1, 0, 0, 0, 0xA0, 0x81, 202, 0, 2}, "seven 7b"...)
				for i := range 3 {
					out, err := us.ProtectRTCP(buf, report)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := reads.DecryptRTCP(nil, out, nil); err != nil || !bytes.Equal(got, report) {
						t.Fatalf("pion reads report %d: %v", i, err)
					}
					theirs, err := writes.EncryptRTCP(nil, report, nil)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := us.UnprotectRTCP(buf, theirs, t0); err != nil || !bytes.Equal(got, report) {
						t.Fatalf("we read report %d: %v", i, err)
					}
					if _, err := us.UnprotectRTCP(buf, theirs, t0); err != ErrReplay {
						t.Fatalf("a report played again: %v", err)
					}
				}
			})
		}
	}
}

// TestReplayAndForgery: what came before, what is older than the list, and what was
// changed in any byte is refused and leaves no mark.
func TestReplayAndForgery(t *testing.T) {
	for _, suite := range everySuite {
		t.Run(suite.String(), func(t *testing.T) {
			a, b := pair(t, suite)
			buf := make([]byte, 0, 2000)
			var kept [][]byte
			for i := range 300 {
				out, err := a.Protect(nil, packetOf(1, uint16(65400+i), 20))
				if err == nil {
					kept = append(kept, bytes.Clone(out))
				}
			}
			for i, p := range kept {
				for at := range p {
					forged := bytes.Clone(p)
					forged[at] ^= 1
					if at < 12 && i%100 != 0 {
						continue
					}
					if got, err := b.Unprotect(buf, forged, t0); err == nil {
						t.Fatalf("packet %d changed at %d was taken: %x", i, at, got)
					}
					if i%100 != 0 {
						break
					}
				}
				if i == 250 {
					continue // comes late
				}
				if _, err := b.Unprotect(buf, p, t0); err != nil {
					t.Fatalf("packet %d: %v", i, err)
				}
				if _, err := b.Unprotect(buf, p, t0); err != ErrReplay {
					t.Fatalf("packet %d again: %v", i, err)
				}
			}
			if _, err := b.Unprotect(buf, kept[250], t0); err != nil {
				t.Errorf("a late packet: %v", err)
			}
			for i, p := range kept { // older than the list, across the rollover
				if _, err := b.Unprotect(buf, p, t0); err == nil {
					t.Errorf("packet %d taken a second time", i)
				}
			}
			for n := range 16 {
				if _, err := b.Unprotect(buf, kept[0][:n], t0); err != ErrAuth {
					t.Errorf("%d bytes: %v", n, err)
				}
				if _, err := b.UnprotectRTCP(buf, kept[0][:n], t0); err != ErrAuth {
					t.Errorf("%d bytes of RTCP: %v", n, err)
				}
			}
		})
	}
}

// TestRollover: three turns of the sequence number; a new SSRC begins at zero
// beside it and the first goes on.
func TestRollover(t *testing.T) {
	a, b := pair(t, AES128CM80)
	buf, back := make([]byte, 0, 300), make([]byte, 0, 300)
	pass := func(ssrc uint32, seq uint16) {
		t.Helper()
		out, err := a.Protect(buf, packetOf(ssrc, seq, 1))
		if err == nil {
			_, err = b.Unprotect(back, out, t0)
		}
		if err != nil {
			t.Fatalf("%d/%d: %v", ssrc, seq, err)
		}
	}
	for i := range 3 * 65536 / 16 {
		pass(1, uint16(32000+16*i))
		if i%1000 == 0 {
			pass(uint32(2+i/1000), uint16(65530+i%1000))
		}
	}
	if roc := b.in.find(1).rtp.high >> 16; roc != 3 {
		t.Errorf("rollover counter %d, want 3", roc)
	}
}

// TestManySources: a peer that takes a new SSRC all the time costs no more memory,
// and the one in use is not forgotten.
func TestManySources(t *testing.T) {
	a, b := pair(t, AEAD128GCM)
	buf, back := make([]byte, 0, 300), make([]byte, 0, 300)
	for i := range 1000 {
		for _, ssrc := range []uint32{uint32(10 + i), 1} {
			out, _ := a.Protect(buf, packetOf(ssrc, uint16(i), 1))
			if _, err := b.Unprotect(back, out, t0); err != nil {
				t.Fatalf("source %d: %v", ssrc, err)
			}
		}
	}
	if len(b.in.sources) != maxSources || len(a.out.sources) != maxSources {
		t.Errorf("%d and %d sources", len(b.in.sources), len(a.out.sources))
	}
}

// TestRenew: a re-INVITE with the same keys changes nothing, one with a new key of
// the peer keeps our own line and takes what is under way.
func TestRenew(t *testing.T) {
	a, b := pair(t, AES128CM80)
	buf, back := make([]byte, 0, 300), make([]byte, 0, 300)
	under, _ := a.Protect(nil, packetOf(1, 10, 1))
	first, _ := a.Protect(buf, packetOf(1, 9, 1))
	if _, err := b.Unprotect(back, first, t0); err != nil {
		t.Fatal(err)
	}
	if err := b.Renew(b.keys, t0); err != nil || b.old != nil {
		t.Fatal("the same keys made a new session")
	}
	if _, err := b.Unprotect(back, first, t0); err != ErrReplay {
		t.Fatalf("the replay list was lost: %v", err)
	}
	x, y := keysOf(AES128CM80, 99)
	out := b.out
	if err := b.Renew(Keys{Suite: AES128CM80, Local: b.keys.Local, Remote: x}, t0); err != nil || b.out != out {
		t.Fatalf("our own key changed: %v", err)
	}
	if _, err := b.Unprotect(back, under, t0.Add(time.Second)); err != nil {
		t.Errorf("a packet under way: %v", err)
	}
	under, _ = a.Protect(buf, packetOf(1, 11, 1))
	if _, err := b.Unprotect(back, under, t0.Add(3*time.Second)); err != ErrAuth {
		t.Errorf("the old key is taken for ever: %v", err)
	}
	if err := b.Renew(Keys{Suite: AEAD128GCM, Local: x, Remote: y}, t0); err == nil {
		t.Error("keys of a wrong length taken")
	}
}

// TestSecretsAreHidden: however keys are printed, they are not.
func TestSecretsAreHidden(t *testing.T) {
	local, remote := keysOf(AES128CM80, 1)
	k := Keys{Suite: AES128CM80, Local: local, Remote: remote}
	js, _ := json.Marshal(k)
	all := fmt.Sprintf("%v %+v %#v %s %x %q %d", k, k, k, k.Local, k.Local, k.Local, k.Local) + string(js)
	for _, bad := range []string{fmt.Sprintf("%x", []byte(local)), fmt.Sprint([]byte(local)), "AQID", "\x01\x02"} {
		if strings.Contains(all, bad) {
			t.Errorf("shown: %s", all)
		}
	}
}

func TestParseSuite(t *testing.T) {
	for _, s := range everySuite {
		if got, ok := ParseSuite(strings.ToLower(s.String())); !ok || got != s {
			t.Errorf("%v reads as %v", s, got)
		}
	}
	if s, ok := ParseSuite("AES_CM_256_HMAC_SHA1_80"); !ok || s != AES256CM80 {
		t.Errorf("the old name reads as %v", s)
	}
	if _, ok := ParseSuite("F8_128_HMAC_SHA1_80"); ok {
		t.Error("F8 taken")
	}
}

func FuzzUnprotect(f *testing.F) {
	a, _ := pair(f, AES128CM80)
	p, _ := a.Protect(make([]byte, 0, 300), packetOf(1, 1, 20))
	f.Add(bytes.Clone(p))
	f.Add([]byte{0x9F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range everySuite {
			_, x := pair(t, s)
			buf := make([]byte, 0, len(b)+MaxOverhead)
			if out, err := x.Unprotect(buf, b, t0); err == nil && (s != AES128CM80 || len(out) > len(b)) {
				t.Fatalf("%v took %x", s, b)
			}
			_, _ = x.UnprotectRTCP(buf, b, t0)
			_, _ = x.Protect(buf, b)
			_, _ = x.ProtectRTCP(buf, b)
		}
	})
}

func TestNothingAllocatesPerPacket(t *testing.T) {
	for _, suite := range everySuite {
		a, b := pair(t, suite)
		buf, back := make([]byte, 0, 300), make([]byte, 0, 300)
		seq, p := uint16(0), packetOf(1, 0, 160)
		forged := bytes.Clone(p)
		if n := testing.AllocsPerRun(200, func() {
			seq++
			binary.BigEndian.PutUint16(p[2:], seq)
			out, err := a.Protect(buf, p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.Unprotect(back, out, t0); err != nil {
				t.Fatal(err)
			}
			binary.BigEndian.PutUint32(forged[8:], uint32(seq)) // a source of its own each time
			_, _ = b.Unprotect(back, forged, t0)
		}); n != 0 {
			t.Errorf("%v: %.1f allocations a packet", suite, n)
		}
	}
}

func BenchmarkPacket(b *testing.B) {
	for _, suite := range everySuite {
		x, y := pair(b, suite)
		buf, back := make([]byte, 0, 300), make([]byte, 0, 300)
		b.Run("protect/"+suite.String(), func(b *testing.B) {
			p := packetOf(1, 0, 160)
			b.ReportAllocs()
			for i := range b.N {
				binary.BigEndian.PutUint16(p[2:], uint16(i))
				_, _ = x.Protect(buf, p)
			}
		})
		seq := uint16(0)
		b.Run("both/"+suite.String(), func(b *testing.B) {
			p := packetOf(2, 0, 160)
			b.ReportAllocs()
			for range b.N {
				seq++
				binary.BigEndian.PutUint16(p[2:], seq)
				out, _ := x.Protect(buf, p)
				if _, err := y.Unprotect(back, out, t0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
