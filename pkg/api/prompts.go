package api

import (
	"context"
	"time"
)

// MaxPrompt bounds an uploaded sound file, in bytes: 15 minutes of CD sound are more
// than a prompt should be.
const MaxPrompt = 64 << 20

// Prompts is what people uploaded, recorded by phone or had synthesised.
type Prompts interface {
	// Prompts lists every prompt that callers of a tenant may hear.
	Prompts(ctx context.Context, tenant string) ([]Prompt, error)
	// Prompt is one of them with its versions.
	Prompt(ctx context.Context, tenant, name string) (PromptDetail, error)
	// PromptAudio is the sound of a version (0 = what callers hear) as a WAV file.
	PromptAudio(ctx context.Context, tenant, name, language string, version int) ([]byte, error)
	// AddPrompt keeps a new version, which callers hear from now on.
	AddPrompt(ctx context.Context, tenant, name string, p NewPrompt) (PromptVersion, error)
	// UsePrompt goes back to a version, or with 0 to none.
	UsePrompt(ctx context.Context, tenant, name string, u UsedPrompt, by string) error
	// RemovePrompt forgets a version, all of a language (version 0), or all ("").
	RemovePrompt(ctx context.Context, tenant, name, language string, version int, by string) error
}

// NewPrompt is one new version: a sound file, or a text to be synthesised.
type NewPrompt struct {
	Language string
	Audio    []byte // WAV, FLAC, MP3 or Ogg Opus; nil = Text
	Text     string // with Audio nil; "" = the text of the prompt's document
	By       string
}

// UsedPrompt names a version.
type UsedPrompt struct {
	Language string `json:"language"`
	Version  int    `json:"version" minimum:"0" doc:"0: none of those kept, but the document's file, the site's or the built-in one."`
}

// SpokenPrompt is a text to be synthesised.
type SpokenPrompt struct {
	Language string `json:"language"`
	Text     string `json:"text,omitempty" doc:"Default: the text of the prompt's document."`
}

// Prompt is a prompt in its languages.
type Prompt struct {
	Name      string           `json:"name"`
	Number    string           `json:"number,omitempty"` // by which it is recorded by phone
	Languages []PromptLanguage `json:"languages"`
	UsedBy    []string         `json:"used_by"`           // "flow/main", "queue/sales"
	Missing   []string         `json:"missing,omitempty"` // languages of its flows in which nothing is there
}

// PromptLanguage is what callers of one language hear.
type PromptLanguage struct {
	Language string `json:"language"` // "any": the same in all
	// Source is "kept" (a version of this list), "document", "site" or "built_in".
	Source     string `json:"source"`
	Version    int    `json:"version,omitempty"` // of what is kept
	DurationMs int64  `json:"duration_ms,omitempty"`
	Text       string `json:"text,omitempty"` // that is spoken, as far as it is known
}

// PromptDetail is a prompt with every version kept, the newest first.
type PromptDetail struct {
	Prompt
	Versions []PromptVersion `json:"versions"`
}

// PromptVersion is one recording of a prompt.
type PromptVersion struct {
	Language   string    `json:"language"`
	Version    int       `json:"version"`
	InUse      bool      `json:"in_use"`
	At         time.Time `json:"at"`
	By         string    `json:"by"`
	Source     string    `json:"source"` // upload, phone, text
	Text       string    `json:"text,omitempty"`
	DurationMs int64     `json:"duration_ms"`
	SizeBytes  int64     `json:"size_bytes"`
	SHA256     string    `json:"sha256"`
}
