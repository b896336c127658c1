package route

import "testing"

func TestExtension(t *testing.T) {
	table, errs := build(t, house)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, row := range []struct{ tenant, dialled, want string }{
		{"default", "202", "boss"},
		{"default", "boss", "boss"},
		{"default", "door", "door"},
		{"default", "1000", ""},
		{"default", "", ""},
		{"nobody", "202", ""},
	} {
		if got, ok := table.Extension(row.tenant, row.dialled); got != row.want || ok != (row.want != "") {
			t.Errorf("%s %q: %q %v, want %q", row.tenant, row.dialled, got, ok, row.want)
		}
	}
}
