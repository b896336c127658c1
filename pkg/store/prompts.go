package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// PromptVersion is one recording of a prompt in a language, kept by the node.
type PromptVersion struct {
	Tenant   string
	Name     string
	Language string
	Version  int // 1 was the first of its name and language
	At       time.Time
	By       string
	Source   string // upload, phone or text
	Text     string // that was synthesised
	Path     string // under the folder of kept prompts
	SHA256   string
	Duration time.Duration
	Size     int64 // bytes
	InUse    bool
}

const promptColumns = `tenant, name, language, version, at, by, source, text, path, sha256, duration_ms, size_bytes, in_use`

// AddPrompt keeps a version, which gets the next number and is in use from now on in
// its language.
func (s *Store) AddPrompt(ctx context.Context, v PromptVersion) (PromptVersion, error) {
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) + 1 FROM prompt_versions WHERE tenant = ? AND name = ? AND language = ?`, v.Tenant, v.Name, v.Language).Scan(&v.Version)
		if err != nil {
			return err
		}
		if err := s.exec(ctx, `UPDATE prompt_versions SET in_use = 0 WHERE tenant = ? AND name = ? AND language = ?`, v.Tenant, v.Name, v.Language); err != nil {
			return err
		}
		return s.exec(ctx, `INSERT INTO prompt_versions (tenant, name, language, version, at, by, source, text, path, sha256, duration_ms, size_bytes, in_use) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,1)`,
			v.Tenant, v.Name, v.Language, v.Version, v.At.UnixMilli(), v.By, v.Source, v.Text, v.Path, v.SHA256, v.Duration.Milliseconds(), v.Size)
	})
	if err != nil {
		return v, fmt.Errorf("store: write prompt: %w", err)
	}
	v.InUse = true
	return v, nil
}

// UsePrompt puts a version into use, or none with version 0. The error is
// ErrNotFound when there is no such version.
func (s *Store) UsePrompt(ctx context.Context, tenant, name, language string, version int) error {
	err := s.update(ctx, func(ctx context.Context, tx execer) error {
		n := 0
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM prompt_versions WHERE tenant = ? AND name = ? AND language = ? AND (version = ? OR ? = 0)`, tenant, name, language, version, version).Scan(&n)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return s.exec(ctx, `UPDATE prompt_versions SET in_use = (version = ?) WHERE tenant = ? AND name = ? AND language = ?`, version, tenant, name, language)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("store: write prompt: %w", err)
	}
	return err
}

// RemovePrompts forgets versions: one of a language, all of a language (version 0),
// or all of a name (language "" too). It returns what there was, for their files.
func (s *Store) RemovePrompts(ctx context.Context, tenant, name, language string, version int) ([]PromptVersion, error) {
	all, err := s.Prompts(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	var gone []PromptVersion
	for _, v := range all {
		if (language == "" || v.Language == language) && (version == 0 || v.Version == version) {
			gone = append(gone, v)
		}
	}
	err = s.update(ctx, func(ctx context.Context, tx execer) error {
		for _, v := range gone {
			if err := s.exec(ctx, `DELETE FROM prompt_versions WHERE tenant = ? AND name = ? AND language = ? AND version = ?`, tenant, v.Name, v.Language, v.Version); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: delete prompts: %w", err)
	}
	return gone, nil
}

// Prompts lists the versions of a prompt, or of all of the tenant's (name ""), by
// name and language, the newest first.
func (s *Store) Prompts(ctx context.Context, tenant, name string) ([]PromptVersion, error) {
	return s.prompts(ctx, `SELECT `+promptColumns+` FROM prompt_versions WHERE tenant = ? AND (name = ? OR ? = '') ORDER BY name, language, version DESC`, tenant, name, name)
}

// PromptsInUse returns what callers of all tenants hear, for the start of a node.
func (s *Store) PromptsInUse(ctx context.Context) ([]PromptVersion, error) {
	return s.prompts(ctx, `SELECT `+promptColumns+` FROM prompt_versions WHERE in_use = 1 ORDER BY tenant, name, language -- all tenants: each row says whose it is`)
}

func (s *Store) prompts(ctx context.Context, query string, args ...any) ([]PromptVersion, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read prompts: %w", err)
	}
	defer rows.Close()
	var out []PromptVersion
	for rows.Next() {
		var v PromptVersion
		var at, ms int64
		if err := rows.Scan(&v.Tenant, &v.Name, &v.Language, &v.Version, &at, &v.By, &v.Source, &v.Text, &v.Path, &v.SHA256, &ms, &v.Size, &v.InUse); err != nil {
			return nil, fmt.Errorf("store: read prompts: %w", err)
		}
		v.At, v.Duration = time.UnixMilli(at).UTC(), time.Duration(ms)*time.Millisecond
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read prompts: %w", err)
	}
	return out, nil
}
