package event

// SurveyAnswered: the caller has answered a question of a survey. QuestionKind is
// flow.QuestionKind; Value is the answer, Recording the one that was spoken. Queue and
// Agent are whom the caller talked to last in this call, "" nobody.
type SurveyAnswered struct {
	Survey       string `json:"survey"`
	Flow         string `json:"flow"`
	Version      int    `json:"version"` // of the flow
	Question     string `json:"question"`
	QuestionKind string `json:"question_kind"`
	Value        string `json:"value,omitempty"`
	Recording    string `json:"recording,omitempty"`
	Queue        string `json:"queue,omitempty"`
	Agent        string `json:"agent,omitempty"`
}

// Kind implements Body.
func (SurveyAnswered) Kind() string { return "survey.answered" }
func (SurveyAnswered) body()        {}

func init() { register[SurveyAnswered]() }
