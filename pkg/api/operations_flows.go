package api

import (
	"net/http"

	"github.com/centrala/centrala/ivr/rehearsal"
	"github.com/centrala/centrala/pkg/report"
)

func (h *HTTP) flowOperations() []operation {
	draft := param{"draft", "boolean", "The draft instead of the live flow."}
	return []operation{
		{method: "POST", path: "/calls/{id}/verbs", right: "calls.control", summary: "Has a call do something else: verbs of applications, also in a conversation.", in: VerbsBody{}, query: []param{byParam}, do: h.verbs},
		{method: "GET", path: "/flows", right: "flows.read", summary: "Live flows and drafts.", out: items[Flow]{},
			do: func(r *http.Request) (any, error) { return wrap(h.app.Flows(r.Context(), tenant(r))) }},
		{method: "GET", path: "/flows/{name}", right: "flows.read", summary: "A flow's document.", out: FlowDocument{}, query: []param{{"version", "integer", "An old version."}, draft}, do: h.flow},
		{method: "GET", path: "/flows/{name}/versions", right: "flows.read", summary: "Who published what when.", out: items[FlowVersion]{},
			do: func(r *http.Request) (any, error) {
				return wrap(h.app.FlowVersions(r.Context(), tenant(r), r.PathValue("name")))
			}},
		{method: "GET", path: "/flows/{name}/figures", right: "flows.read", summary: "How callers went through a flow.", out: report.FlowFigures{},
			query: []param{{"from", "string", "As in a report."}, {"to", "string", "As in a report."}}, do: h.flowFigures},
		{method: "PUT", path: "/flows/{name}/draft", right: "flows.change", most: maxDocuments, summary: "Keeps a draft: the spec as YAML.", out: ApplyResult{}, query: []param{byParam}, do: h.saveDraft},
		{method: "DELETE", path: "/flows/{name}/draft", right: "flows.change", summary: "Drops the draft.",
			do: func(r *http.Request) (any, error) {
				return done(h.app.DropFlowDraft(r.Context(), tenant(r), r.PathValue("name")))
			}},
		{method: "POST", path: "/flows/{name}/publish", right: "flows.change", summary: "Makes the draft, or an old version, live.", in: PublishOptions{}, out: ApplyResult{}, query: []param{byParam}, do: h.publishFlow},
		{method: "POST", path: "/flows/{name}/test", right: "flows.read", summary: "Plays the flow's tests.", out: items[rehearsal.Result]{}, query: []param{draft}, do: h.testFlow},
	}
}
