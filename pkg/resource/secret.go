package resource

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// SecretSpec: a value that flows send to services (${secret.NAME} in an http step) and
// nobody reads: it is sealed in the store, masked in exports, and in no log, journal or
// state of a call.
type SecretSpec struct {
	Value string `yaml:"value,omitempty" secret:"true"`
	// Sealed is what the store keeps in place of the value (Box.Seal).
	Sealed string `yaml:"sealed,omitempty" secret:"true"`
}

// maxSecret is the longest value, in bytes: a token, or the key of a certificate.
const maxSecret = 8 << 10

func (c *checker) secret(k Key, s *SecretSpec) {
	r := ref{KindSecret, k}
	switch {
	case s.Value == Mask || s.Sealed == Mask:
		c.fault(r, "value", "masked, and there is none yet; write the value itself")
	case s.Value == "" && s.Sealed == "":
		c.fault(r, "value", "missing")
	case s.Value != "" && s.Sealed != "":
		c.fault(r, "sealed", "given beside a value; leave one out")
	case len(s.Value) > maxSecret || len(s.Sealed) > 2*maxSecret:
		c.fault(r, "value", "longer than %d bytes", maxSecret)
	case strings.ContainsRune(s.Value, 0):
		c.fault(r, "value", "has a zero byte")
	}
}

// Box seals secrets with AES-256 in Galois/counter mode (NIST SP 800-38D). Safe for many
// at once.
type Box struct{ gcm cipher.AEAD }

// KeySize is the length of a Box's key, in bytes.
const KeySize = 32

// NewBox makes a Box of a key of KeySize bytes.
func NewBox(key []byte) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("resource: a key of %d bytes, want %d", len(key), KeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &Box{gcm}, err
}

// place binds a sealed value to where it is: put elsewhere it does not open.
func place(k Key) []byte { return []byte("secret\x00" + k.Tenant + "\x00" + k.Name) }

const sealedV1 = "v1:"

// Seal returns the sealed form of a value.
func (b *Box) Seal(k Key, value string) string {
	nonce := make([]byte, b.gcm.NonceSize())
	rand.Read(nonce) // never fails (crypto/rand)
	return sealedV1 + base64.StdEncoding.EncodeToString(b.gcm.Seal(nonce, nonce, []byte(value), place(k)))
}

// ErrSealed: a value was sealed with another key, for another name, or is damaged.
var ErrSealed = errors.New("resource: a secret cannot be opened with this node's key")

// Open returns the value of a sealed form.
func (b *Box) Open(k Key, sealed string) (string, error) {
	text, ok := strings.CutPrefix(sealed, sealedV1)
	raw, err := base64.StdEncoding.DecodeString(text)
	if n := b.gcm.NonceSize(); ok && err == nil && len(raw) > n {
		if v, err := b.gcm.Open(nil, raw[:n], raw[n:], place(k)); err == nil {
			return string(v), nil
		}
	}
	return "", ErrSealed
}

// Open is the secret's value: as written, or opened.
func (s *SecretSpec) Open(b *Box, k Key) (string, error) {
	if s.Sealed == "" {
		return s.Value, nil
	}
	return b.Open(k, s.Sealed)
}

// SealSecrets returns s with the values of secrets sealed. Those that are sealed
// already, or have the same value as live says, stay as they are. s is not changed.
func SealSecrets(s, live *Set, b *Box) *Set {
	out := s.clone()
	out.sources = s.sources
	for k, spec := range s.Secrets {
		if spec.Value == "" || spec.Value == Mask {
			continue
		}
		if live != nil {
			if old := live.Secrets[k]; old != nil {
				if v, err := old.Open(b, k); err == nil && v == spec.Value {
					out.Secrets[k] = old
					continue
				}
			}
		}
		out.Secrets[k] = &SecretSpec{Sealed: b.Seal(k, spec.Value)}
	}
	return out
}
