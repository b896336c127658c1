package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/centrala/centrala/pkg/auth/account"
)

// recoveryCodes are made at once, each good once.
const recoveryCodes = 10

// BeginTOTP makes a secret that is not asked for yet: ConfirmTOTP proves that the
// authenticator has it. url is what the QR code shows (otpauth://).
func (s *Service) BeginTOTP(ctx context.Context, r account.Ref) (secret, url string, err error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: s.cfg.Issuer, AccountName: r.Name + "@" + r.Tenant, SecretSize: 20, Rand: rand.Reader})
	if err != nil {
		return "", "", fmt.Errorf("auth: second factor: %w", err)
	}
	err = s.changeAccount(ctx, r, func(a *account.Account) error { a.NewTOTP = key.Secret(); return nil })
	return key.Secret(), key.URL(), err
}

// ConfirmTOTP switches the second factor on and returns the recovery codes, once.
func (s *Service) ConfirmTOTP(ctx context.Context, r account.Ref, code string) (recovery []string, err error) {
	hashes := make([]string, 0, recoveryCodes)
	for range recoveryCodes {
		b := make([]byte, 10) // 80 bits each: no slow hash is needed
		rand.Read(b)
		c := strings.ToLower(base32.StdEncoding.EncodeToString(b))
		recovery = append(recovery, c[:4]+"-"+c[4:8]+"-"+c[8:12]+"-"+c[12:])
		hashes = append(hashes, hashToken(plainCode(recovery[len(recovery)-1])))
	}
	err = s.changeAccount(ctx, r, func(a *account.Account) error {
		if a.NewTOTP == "" {
			return fmt.Errorf("%w: no second factor was begun", ErrInvalid)
		}
		step, ok := matchTOTP(a.NewTOTP, code, s.cfg.Now(), 0)
		if !ok {
			return ErrRefused
		}
		a.TOTP, a.NewTOTP, a.TOTPStep, a.Recovery = a.NewTOTP, "", step, hashes
		return nil
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// DropTOTP takes the second factor away: of an account that asks for it itself,
// proved by its password, or by an administrator (reset-2fa).
func (s *Service) DropTOTP(ctx context.Context, r account.Ref) error {
	return s.changeAccount(ctx, r, func(a *account.Account) error {
		a.TOTP, a.NewTOTP, a.TOTPStep, a.Recovery = "", "", 0, nil
		return nil
	})
}

// Reset2FA takes second factor and passkeys away.
func (s *Service) Reset2FA(ctx context.Context, r account.Ref) error {
	if err := s.DropTOTP(ctx, r); err != nil {
		return err
	}
	return s.changeAccount(ctx, r, func(a *account.Account) error { a.Passkeys = nil; return nil })
}

// useCode takes a code of the authenticator, or a recovery code, and uses it up.
func (s *Service) useCode(ctx context.Context, r account.Ref, code string) (ok bool, err error) {
	err = s.changeAccount(ctx, r, func(a *account.Account) error {
		if step, right := matchTOTP(a.TOTP, code, s.cfg.Now(), a.TOTPStep); right {
			ok, a.TOTPStep = true, step
			return nil
		}
		hash := hashToken(plainCode(code))
		if i := slices.Index(a.Recovery, hash); i >= 0 {
			ok, a.Recovery = true, slices.Delete(a.Recovery, i, i+1)
			return nil
		}
		return nil
	})
	return ok, err
}

// totpPeriod is RFC 6238's time step.
const totpPeriod = 30

// matchTOTP compares with the steps before, of and behind now, and refuses those
// that were used (RFC 6238 5.2: a code is good once).
func matchTOTP(secret, code string, now time.Time, used int64) (step int64, ok bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	if len(code) != 6 {
		return 0, false
	}
	at := now.Unix() / totpPeriod
	for _, s := range []int64{at, at - 1, at + 1} {
		want, err := hotp.GenerateCodeCustom(secret, uint64(s), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && s > used && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			return s, true
		}
	}
	return 0, false
}

func plainCode(c string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(c), "-", ""), " ", ""))
}

// TOTPOff is DropTOTP by the account itself, with its password.
func (s *Service) TOTPOff(ctx context.Context, r account.Ref, password string, source netip.Addr) error {
	if err := s.Prove(ctx, r, password, source); err != nil {
		return err
	}
	return s.DropTOTP(ctx, r)
}
