package resource

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestSecrets(t *testing.T) {
	key := bytes.Repeat([]byte{7}, KeySize)
	box, err := NewBox(key)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := ParseYAML(strings.NewReader("kind: secret\nname: crm\nspec: {value: hush-hush}\n"), "x.yaml")
	if err != nil {
		t.Fatal(err)
	}
	live := SealSecrets(NewSet(docs), nil, box)
	k := Key{DefaultTenant, "crm"}
	if s := live.Secrets[k]; s.Value != "" || !strings.HasPrefix(s.Sealed, "v1:") {
		t.Fatalf("%+v", s)
	}
	if v, err := live.Secrets[k].Open(box, k); v != "hush-hush" || err != nil {
		t.Fatalf("%q %v", v, err)
	}

	t.Run("is in no export and no difference", func(t *testing.T) {
		for _, secrets := range []bool{false, true} {
			var b bytes.Buffer
			if err := Export(&b, live.Documents(), secrets); err != nil || strings.Contains(b.String(), "hush") {
				t.Errorf("%v %s", err, b.String())
			}
		}
		for _, c := range Diff(EmptySet(), live) {
			if strings.Contains(c.String(), "v1:") || strings.Contains(c.String(), "hush") {
				t.Errorf("%s", c)
			}
		}
	})
	t.Run("the same again is no change", func(t *testing.T) {
		next := SealSecrets(Merge(live, docs, false), live, box)
		if c := Diff(live, next); len(c) != 0 {
			t.Errorf("%v", c)
		}
	})
	t.Run("an export applied again keeps it", func(t *testing.T) {
		var b bytes.Buffer
		if err := Export(&b, live.Documents(), false); err != nil {
			t.Fatal(err)
		}
		again, err := ParseYAML(&b, "x.yaml")
		if err != nil {
			t.Fatal(err)
		}
		if c := Diff(live, SealSecrets(Merge(live, again, false), live, box)); len(c) != 0 {
			t.Errorf("%v", c)
		}
		if err := Errors(Check(Merge(nil, again, false), nil)); err == nil {
			t.Error("a mask is taken for a value")
		}
	})
	t.Run("opens nowhere else", func(t *testing.T) {
		s := live.Secrets[k].Sealed
		other, _ := NewBox(bytes.Repeat([]byte{8}, KeySize))
		for name, try := range map[string]func() (string, error){
			"another key":    func() (string, error) { return other.Open(k, s) },
			"another tenant": func() (string, error) { return box.Open(Key{"acme", "crm"}, s) },
			"another name":   func() (string, error) { return box.Open(Key{DefaultTenant, "sms"}, s) },
			"damaged":        func() (string, error) { return box.Open(k, s[:len(s)-6]+"AAAAA=") },
			"cut":            func() (string, error) { return box.Open(k, "v1:AAAA") },
			"plain":          func() (string, error) { return box.Open(k, "hush-hush") },
		} {
			if v, err := try(); !errors.Is(err, ErrSealed) || v != "" {
				t.Errorf("%s: %q %v", name, v, err)
			}
		}
	})
	if _, err := NewBox(key[:16]); err == nil {
		t.Error("a short key is taken")
	}
}
