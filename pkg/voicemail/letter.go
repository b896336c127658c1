package voicemail

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/centrala/centrala/pkg/mail"
	"github.com/centrala/centrala/pkg/store"
)

// words are what an e-mail about a message says, by language.
var words = map[string]struct{ subject, unknown, text string }{
	"en": {"New voice message from %s in %s (%s)", "an unknown number", "%s has left a message in the box %s on %s, %s long.\n"},
	"ro": {"Mesaj vocal nou de la %s în %s (%s)", "un număr necunoscut", "%s a lăsat un mesaj în căsuța %s la %s, durata %s.\n"},
	"ru": {"Новое голосовое сообщение от %s в %s (%s)", "неизвестного номера", "Отправитель: %s. Ящик: %s. Время: %s. Длительность: %s.\n"},
}

// letter is the e-mail about a message, without its addresses.
func letter(m store.Voicemail, b Box) mail.Message {
	w, ok := words[b.Language]
	if !ok {
		w = words["en"]
	}
	d := time.Duration(m.DurationMs) * time.Millisecond
	length := fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
	from := cmp.Or(m.From, w.unknown)
	if m.Display != "" && m.Display != m.From {
		from = m.Display + " <" + from + ">"
	}
	// A stranger's name stands in a header of ours: one line, and not for ever.
	from = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, from)
	if r := []rune(from); len(r) > 60 {
		from = string(r[:60])
	}
	return mail.Message{Subject: fmt.Sprintf(w.subject, from, b.Name, length),
		Text: fmt.Sprintf(w.text, from, b.Name, m.At.UTC().Format("2006-01-02 15:04:05 MST"), length)}
}
