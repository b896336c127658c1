package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPromptVersions(t *testing.T) {
	path := file(t)
	s := open(t, path)
	ctx := t.Context()
	add := func(tenant, name, lang string) PromptVersion {
		t.Helper()
		v, err := s.AddPrompt(ctx, PromptVersion{Tenant: tenant, Name: name, Language: lang, At: time.UnixMilli(1764000000123).UTC(), By: "anna", Source: "upload",
			Text: "x", Path: fmt.Sprint(tenant, lang, name), SHA256: "ab", Duration: 1500 * time.Millisecond, Size: 99})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	show := func(tenant, name string) string {
		t.Helper()
		list, err := s.Prompts(ctx, tenant, name)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, v := range list {
			mark := ""
			if v.InUse {
				mark = "*"
			}
			out = append(out, fmt.Sprintf("%s/%s/%d%s", v.Name, v.Language, v.Version, mark))
		}
		return strings.Join(out, " ")
	}
	first := add("default", "welcome", "ro")
	add("default", "welcome", "ro")
	add("default", "welcome", "ru")
	add("default", "bye", "ro")
	add("other", "welcome", "ro")
	if got := show("default", ""); got != "bye/ro/1* welcome/ro/2* welcome/ro/1 welcome/ru/1*" {
		t.Error(got)
	}
	if err := s.UsePrompt(ctx, "default", "welcome", "ro", 1); err != nil {
		t.Error(err)
	}
	if got := show("default", "welcome") + " " + show("other", "welcome"); got != "welcome/ro/2 welcome/ro/1* welcome/ru/1* welcome/ro/1*" {
		t.Error(got)
	}
	for _, err := range []error{s.UsePrompt(ctx, "default", "welcome", "ro", 3), s.UsePrompt(ctx, "default", "gone", "ro", 0), s.UsePrompt(ctx, "nobody", "welcome", "ro", 1)} {
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	}
	if err := s.UsePrompt(ctx, "default", "welcome", "ru", 0); err != nil {
		t.Error(err)
	}
	gone, err := s.RemovePrompts(ctx, "default", "welcome", "ro", 2)
	if err != nil || len(gone) != 1 || gone[0].Version != 2 {
		t.Error(gone, err)
	}
	if v := add("default", "welcome", "ro"); v.Version != 2 || !v.InUse {
		t.Errorf("%+v", v) // the number of a removed newest comes again; files have names of their own
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	list, err := s.PromptsInUse(ctx)
	if err != nil || len(list) != 3 {
		t.Fatal(list, err)
	}
	if got := list[0]; got.Name != "bye" || got.Duration != first.Duration || !got.At.Equal(first.At) || got.Size != 99 || got.By != "anna" || got.Text != "x" {
		t.Errorf("%+v", got)
	}
	if gone, err := s.RemovePrompts(ctx, "default", "welcome", "", 0); err != nil || len(gone) != 3 || show("default", "") != "bye/ro/1*" {
		t.Error(len(gone), err)
	}
}

func TestClosures(t *testing.T) {
	path := file(t)
	s := open(t, path)
	ctx := t.Context()
	since := time.UnixMilli(1764000000123).UTC()
	for _, c := range []Closure{
		{"default", "office", since, time.Time{}, "no power", "anna"},
		{"default", "office", since, since.Add(time.Hour), "fire drill", "ben"}, // the later counts
		{"other", "office", since, time.Time{}, "", "cli"},
	} {
		if err := s.CloseSchedule(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.OpenSchedule(ctx, "other", "gone"); err != nil {
		t.Error(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	list, err := s.Closures(ctx)
	if err != nil || len(list) != 2 || list[0] != (Closure{"default", "office", since, since.Add(time.Hour), "fire drill", "ben"}) || !list[1].Until.IsZero() {
		t.Error(list, err)
	}
	if err := s.OpenSchedule(ctx, "default", "office"); err != nil {
		t.Error(err)
	}
	if list, _ := s.Closures(ctx); len(list) != 1 || list[0].Tenant != "other" {
		t.Error(list)
	}
}
