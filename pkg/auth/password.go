package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// hasher makes and compares argon2id hashes, a bounded number at a time: who
// guesses passwords must not eat the cores that carry calls.
type hasher struct {
	running chan struct{} // at most cap at a time
	waiting chan struct{} // at most cap wait or run; more are refused at once
	decoy   string        // compared for accounts that do not exist: same work, same time
	memory  uint32        // KiB
	passes  uint32
}

// ErrBusy: too many log-ins at once; come again in a second.
var ErrBusy = errors.New("auth: too many log-ins at once")

// Parameters of argon2id, OWASP's second choice (19 MiB, two passes, one lane): less
// memory at the same work, for a machine that carries calls.
const (
	argonMemory = 19 << 10
	argonPasses = 2
	argonKey    = 32
	argonSalt   = 16
)

func newHasher(parallel int, memory, passes uint32) *hasher {
	h := &hasher{running: make(chan struct{}, parallel), waiting: make(chan struct{}, 32*parallel), memory: memory, passes: passes}
	h.decoy = h.sum(random(16), []byte(random(12)))
	return h
}

func (h *hasher) sum(password string, salt []byte) string {
	key := argon2.IDKey([]byte(password), salt, h.passes, h.memory, 1, argonKey)
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.memory, h.passes, b.EncodeToString(salt), b.EncodeToString(key))
}

// enter takes a place; leave gives it back.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case h.running <- struct{}{}:
		return func() { <-h.running; <-h.waiting }, nil
	case <-ctx.Done():
		<-h.waiting
		return nil, ctx.Err()
	}
}

// make hashes a new password.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	return h.sum(password, salt), nil
}

// verify compares a password with a hash; "" stands for an account that is not
// there and costs the same.
func (h *hasher) verify(ctx context.Context, hash, password string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	absent := hash == ""
	if absent {
		hash = h.decoy
	}
	ok, err := compare(hash, password)
	return ok && !absent, err
}

// compare reads the parameters from the hash, so that they can be raised later.
func compare(hash, password string) (bool, error) {
	parts := strings.Split(hash, "$")
	var version int
	var memory, passes uint32
	var lanes uint8
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, errors.New("auth: a password is stored in an unknown form; set it again")
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false, errors.New("auth: a password is stored in an unknown form; set it again")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &passes, &lanes); err != nil || memory > 1<<20 || passes > 64 || passes == 0 || lanes == 0 {
		return false, errors.New("auth: a password is stored in an unknown form; set it again")
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	want, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err := errors.Join(err1, err2); err != nil {
		return false, fmt.Errorf("auth: stored password: %w", err)
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// random is n bytes of chance as base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// hashToken is how tokens of 256 random bits rest: no salt and no slow hash is
// needed for what cannot be guessed.
func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Bounds of a password, bytes of UTF-8. NIST SP 800-63B: length counts, not
// composition.
const (
	MinPassword = 10
	MaxPassword = 256
)

// checkPassword refuses what is too short, or is among those that are tried first.
func checkPassword(name, password string) error {
	lower := strings.ToLower(password)
	switch {
	case len(password) < MinPassword:
		return fmt.Errorf("%w: password: want at least %d characters", ErrInvalid, MinPassword)
	case len(password) > MaxPassword:
		return fmt.Errorf("%w: password: want at most %d bytes", ErrInvalid, MaxPassword)
	case name != "" && strings.Contains(lower, strings.ToLower(name)) && len(password) < len(name)+6:
		return fmt.Errorf("%w: password: it is the name of the user, nearly", ErrInvalid)
	case common[lower] || strings.Count(lower, lower[:1]) == len(lower):
		return fmt.Errorf("%w: password: it is among the first that are tried", ErrInvalid)
	}
	return nil
}

// common are passwords of ten characters and more that lists of leaks begin with.
var common = func() map[string]bool {
	out := map[string]bool{}
	for _, s := range strings.Fields(`1234567890 0123456789 0987654321 1q2w3e4r5t qwertyuiop 1qaz2wsx3edc q1w2e3r4t5 password12 password123
password1234 password12345 passw0rd123 qwerty12345 qwerty123456 123456789a a123456789 1111111111 0000000000 iloveyou123 administrator
welcome123 letmein123 changeme123 admin12345 admin123456 callcenter callcentre centrala123 abcdefghij abc1234567 1234567891 12345678910
123456789012 zaq12wsxcde3 asdfghjkl1 asdfghjkl123 football123 superman123 dragon12345 monkey12345 parola12345 parola123456 schimbama123 пароль1234`) {
		out[s] = true
	}
	return out
}()
