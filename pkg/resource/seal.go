package resource

import (
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
)

// User is the device's digest username: Username, or the document's name.
func (d *DeviceSpec) User(name string) string { return cmp.Or(d.Username, name) }

// Seal returns s with the devices' passwords turned into digest hashes for
// realm, so that no password rests in the store. A device that is sealed
// already is left alone. Trunk passwords stay: the carrier names its realm only
// when it challenges. s is not changed.
func Seal(s *Set, realm string) *Set {
	out := s.clone()
	out.sources = s.sources
	for k, d := range s.Devices {
		if d.Password == "" || d.Password == Mask {
			continue
		}
		c := *d
		user := d.User(k.Name)
		c.HA1 = &HA1Spec{Realm: realm, Username: user}
		c.HA1.MD5, c.HA1.SHA256 = hashHA1(user, realm, d.Password)
		c.Password = ""
		out.Devices[k] = &c
	}
	return out
}

// Secrets returns the digest hashes of a device for realm, from its password or
// its sealed form. ok is false when the device has neither, or was sealed for
// another realm or username: then it cannot register until it is applied again
// with its password.
func (d *DeviceSpec) Secrets(name, realm string) (ha1MD5, ha1SHA256 string, ok bool) {
	user := d.User(name)
	switch {
	case d.Password != "" && d.Password != Mask:
		m, s := hashHA1(user, realm, d.Password)
		return m, s, true
	case d.HA1 != nil && d.HA1.Realm == realm && d.HA1.Username == user:
		return d.HA1.MD5, d.HA1.SHA256, true
	}
	return "", "", false
}

// hashHA1 is A1 of RFC 7616 3.4.2, hashed with both algorithms of RFC 8760.
func hashHA1(user, realm, password string) (md5Hex, sha256Hex string) {
	a1 := []byte(user + ":" + realm + ":" + password)
	m, s := md5.Sum(a1), sha256.Sum256(a1)
	return hex.EncodeToString(m[:]), hex.EncodeToString(s[:])
}
