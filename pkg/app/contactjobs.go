package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/centrala/centrala/ivr/flow"
	"github.com/centrala/centrala/pkg/api"
	"github.com/centrala/centrala/pkg/contact"
	"github.com/centrala/centrala/pkg/store"
)

// byFlow is who a flow is in the journal.
const byFlow = "flow"

// contactJob is the contact step of flows.
func (a *App) contactJob(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	job := j.(*flow.ContactJob)
	region, _, err := a.people(tenant)
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	number := contact.Number(job.Number, region)
	if number == "" { // withheld, or a name
		return flow.OutcomeNotFound, nil, nil
	}
	c, err := a.store.ContactByNumber(ctx, tenant, number)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return flow.OutcomeFailed, nil, err
	}
	if !known && !job.Create {
		return flow.OutcomeNotFound, nil, nil
	}
	if len(job.Set) > 0 || !known {
		if c, err = a.SaveContact(ctx, tenant, c.ID, contactChange(job, number, known), byFlow, callID); err != nil {
			return flow.OutcomeFailed, nil, err
		}
	}
	open, _, err := a.store.Cases(ctx, tenant, store.CaseFilter{Contact: c.ID, Open: true, Limit: 100})
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	values := map[string]string{"contact_id": c.ID, "contact_name": c.Name, "contact_company": c.Company, "contact_email": c.Email,
		"contact_language": c.Language, "contact_owner": c.Owner, "contact_tier": c.Tier, "contact_cases": strconv.Itoa(len(open))}
	for _, p := range job.Into {
		values[p.Name] = c.Fields[p.Value]
	}
	if !known {
		return flow.OutcomeOpened, values, nil
	}
	return flow.OutcomeDone, values, nil
}

// contactChange is what a contact step wants known.
func contactChange(job *flow.ContactJob, number string, known bool) api.ContactChange {
	in := api.ContactChange{}
	if !known {
		in.Numbers = []string{number}
	}
	words := map[string]**string{"name": &in.Name, "company": &in.Company, "email": &in.Email, "language": &in.Language, "owner": &in.Owner, "tier": &in.Tier}
	for _, p := range job.Set {
		if to := words[p.Name]; to != nil {
			*to = &p.Value
			continue
		}
		if in.Fields == nil {
			in.Fields = map[string]string{}
		}
		in.Fields[p.Name] = p.Value
	}
	return in
}

// caseJob is the case step of flows.
func (a *App) caseJob(ctx context.Context, tenant, callID string, j flow.Job) (string, map[string]string, error) {
	job := j.(*flow.CaseJob)
	region, _, err := a.people(tenant)
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	if job.Number == "" && job.Contact == "" {
		if n := contact.Number(job.From, region); n != "" {
			c, err := a.store.ContactByNumber(ctx, tenant, n)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return flow.OutcomeFailed, nil, err
			}
			job.Contact = c.ID
		}
	}
	found, err := a.findCase(ctx, tenant, job)
	if err != nil {
		return flow.OutcomeFailed, nil, err
	}
	outcome, in := flow.OutcomeDone, api.CaseChange{CallID: callID}
	switch {
	case found == nil && !job.Open:
		return flow.OutcomeNotFound, nil, nil
	case found == nil:
		outcome = flow.OutcomeOpened
		in.Type, in.Subject, in.Contact, in.Fields = &job.Type, &job.Subject, &job.Contact, map[string]string{}
		for _, p := range job.Fields {
			in.Fields[p.Name] = p.Value
		}
		if job.Owner != "" {
			in.Owner = &job.Owner
		}
		c, err := a.SaveCase(ctx, tenant, "", in, byFlow)
		if err != nil {
			return flow.OutcomeFailed, nil, err
		}
		found = &c
	case found.Owner == "" && job.Owner != "":
		in.Owner = &job.Owner
		c, err := a.SaveCase(ctx, tenant, found.ID, in, byFlow)
		if err != nil {
			return flow.OutcomeFailed, nil, err
		}
		found = &c
	}
	return outcome, map[string]string{"case_id": found.ID, "case_number": strconv.FormatInt(found.Number, 10), "case_type": found.Type,
		"case_state": found.State, "case_owner": found.Owner, "case_subject": found.Subject}, nil
}

// findCase is the case of a number, or the newest open one of a contact; nil = none.
func (a *App) findCase(ctx context.Context, tenant string, job *flow.CaseJob) (*contact.Case, error) {
	f := store.CaseFilter{Limit: 1}
	switch {
	case job.Number != "":
		n, err := strconv.ParseInt(job.Number, 10, 64)
		if err != nil || n < 1 {
			return nil, nil // the caller has keyed something else
		}
		f.Number = n
	case !job.Reuse || job.Contact == "":
		return nil, nil
	default:
		f.Contact, f.Type, f.Open = job.Contact, job.Type, true
	}
	list, _, err := a.store.Cases(ctx, tenant, f)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	if list[0].Contact != "" && job.Contact != "" && list[0].Contact != job.Contact {
		return nil, fmt.Errorf("case %d is another contact's", list[0].Number)
	}
	return &list[0], nil
}
