package resource

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
)

// exported is a document as it is written: in this order, empty parts left out.
type exported struct {
	Kind   Kind   `yaml:"kind"`
	Tenant string `yaml:"tenant,omitempty"`
	Name   string `yaml:"name"`
	Spec   any    `yaml:"spec"`
}

// Export writes docs as YAML in the order given (Documents gives a stable one);
// the same set always gives the same bytes, and ParseYAML reads them again.
// Secrets are written as Mask, which an apply takes as "unchanged"; with
// secrets true they are written as they are kept (device passwords as digest
// hashes), enough to apply to an empty store.
func Export(w io.Writer, docs []Document, secrets bool) error {
	for i, d := range docs {
		if i > 0 {
			if _, err := io.WriteString(w, "---\n"); err != nil {
				return err
			}
		}
		spec := d.Spec
		if !secrets {
			spec = Masked(spec)
		}
		tenant := d.Tenant
		if tenant == DefaultTenant {
			tenant = ""
		}
		text, err := marshal(exported{d.Kind, tenant, d.Name, spec})
		if err != nil {
			return fmt.Errorf("resource: write %s: %w", label(ref{d.Kind, d.key()}), err)
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// MarshalSpec writes a spec alone, secrets included, as the store keeps it.
func MarshalSpec(spec any) ([]byte, error) { return marshal(spec) }

// ParseSpec reads what MarshalSpec wrote. name is for faults.
func ParseSpec(kind Kind, text []byte, name string) (any, error) {
	spec, ok := newSpec(kind)
	if !ok {
		return nil, fmt.Errorf("resource: unknown kind %q", kind)
	}
	if faults := decodeSpec(text, name, spec); len(faults) > 0 {
		return nil, fmt.Errorf("resource: %w", faults)
	}
	return spec, nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	if !writeMapping(&b, entries(reflect.ValueOf(v)), 0) {
		b.WriteString("{}\n")
	}
	return b.Bytes(), nil
}

// Masked returns spec with its secrets replaced by Mask.
func Masked(spec any) any {
	switch s := spec.(type) {
	case *DeviceSpec:
		c := *s
		if c.Password != "" || c.HA1 != nil {
			c.Password, c.HA1 = Mask, nil
		}
		return &c
	case *SecretSpec:
		return &SecretSpec{Value: Mask}
	}
	// All others by what the fields' tags say: whoever adds a secret cannot forget it.
	v := reflect.ValueOf(spec)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return spec
	}
	var masked reflect.Value
	for i := range v.Elem().NumField() {
		f := v.Elem().Type().Field(i)
		if f.Tag.Get("secret") != "true" || f.Type.Kind() != reflect.String || v.Elem().Field(i).Len() == 0 {
			continue
		}
		if !masked.IsValid() {
			masked = reflect.New(v.Elem().Type())
			masked.Elem().Set(v.Elem())
		}
		masked.Elem().Field(i).SetString(Mask)
	}
	if masked.IsValid() {
		return masked.Interface()
	}
	return spec
}
