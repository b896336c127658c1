package event

// ContactCreated: a customer is known from now on.
type ContactCreated struct {
	Contact string `json:"contact"`
	By      string `json:"by"` // a user, "flow", "import", "cli", "api"
}

// ContactChanged: what is known of a customer was changed; Fields names what.
type ContactChanged struct {
	Contact string   `json:"contact"`
	Fields  []string `json:"fields"`
	By      string   `json:"by"`
}

// ContactMerged: Merged was the same customer; its numbers, notes and cases are
// Contact's now.
type ContactMerged struct {
	Contact string `json:"contact"`
	Merged  string `json:"merged"`
	By      string `json:"by"`
}

// ContactDeleted: nothing is known of the customer any more but the id.
type ContactDeleted struct {
	Contact string `json:"contact"`
	By      string `json:"by"`
}

// CaseOpened: an order, a complaint or a request.
type CaseOpened struct {
	Case    string `json:"case"`
	Number  int64  `json:"number"`
	Type    string `json:"type"`
	State   string `json:"state"`
	Contact string `json:"contact,omitempty"`
	Owner   string `json:"owner,omitempty"`
	By      string `json:"by"`
}

// CaseChanged: State and Owner are those of now; Fields names what was changed.
type CaseChanged struct {
	Case   string   `json:"case"`
	Number int64    `json:"number"`
	State  string   `json:"state"`
	Owner  string   `json:"owner,omitempty"`
	Fields []string `json:"fields"`
	By     string   `json:"by"`
}

// Kind implements Body.
func (ContactCreated) Kind() string { return "contact.created" }

// Kind implements Body.
func (ContactChanged) Kind() string { return "contact.changed" }

// Kind implements Body.
func (ContactMerged) Kind() string { return "contact.merged" }

// Kind implements Body.
func (ContactDeleted) Kind() string { return "contact.deleted" }

// Kind implements Body.
func (CaseOpened) Kind() string { return "case.opened" }

// Kind implements Body.
func (CaseChanged) Kind() string { return "case.changed" }

func (ContactCreated) body() {}
func (ContactChanged) body() {}
func (ContactMerged) body()  {}
func (ContactDeleted) body() {}
func (CaseOpened) body()     {}
func (CaseChanged) body()    {}

func init() {
	register[ContactCreated]()
	register[ContactChanged]()
	register[ContactMerged]()
	register[ContactDeleted]()
	register[CaseOpened]()
	register[CaseChanged]()
}
