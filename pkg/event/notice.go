package event

// NoticeSent: somebody told agents something, at their desks.
type NoticeSent struct {
	Notice string   `json:"notice"`
	To     string   `json:"to"` // "all", "queue:NAME", "agent:NAME"
	Agents []string `json:"agents"`
	Text   string   `json:"text"`
	By     string   `json:"by"`
}

// NoticeRead: an agent has acknowledged a notice.
type NoticeRead struct {
	Notice string `json:"notice"`
	Agent  string `json:"agent"`
}

// MarkMade: somebody commented on a recording, at AtMs of it.
type MarkMade struct {
	Mark      string `json:"mark"`
	Recording string `json:"recording"`
	AtMs      int64  `json:"at_ms"`
	Text      string `json:"text"`
	By        string `json:"by"`
}

// MarkRemoved takes a comment away.
type MarkRemoved struct {
	Mark      string `json:"mark"`
	Recording string `json:"recording"`
	By        string `json:"by"`
}

// Kind implements Body.
func (NoticeSent) Kind() string { return "notice.sent" }

// Kind implements Body.
func (NoticeRead) Kind() string { return "notice.read" }

// Kind implements Body.
func (MarkMade) Kind() string { return "mark.made" }

// Kind implements Body.
func (MarkRemoved) Kind() string { return "mark.removed" }

func (NoticeSent) body()  {}
func (NoticeRead) body()  {}
func (MarkMade) body()    {}
func (MarkRemoved) body() {}

func init() {
	register[NoticeSent]()
	register[NoticeRead]()
	register[MarkMade]()
	register[MarkRemoved]()
}
