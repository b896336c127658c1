package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/centrala/centrala/pkg/api"
)

type surveyCmd struct {
	List    surveyListCmd    `cmd:"" help:"Surveys and how much was answered." default:"withargs"`
	Answers surveyAnswersCmd `cmd:"" help:"What callers answered, newest first: centrala survey answers after-call --agent bob."`
	Figures surveyFiguresCmd `cmd:"" help:"Answers counted, by question: centrala survey figures after-call --from 2026-11-01."`
}

type surveyListCmd struct{ target }

func (k surveyListCmd) Run(c *cli) error {
	list, err := k.client().Surveys(context.Background())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(list)
	}
	return c.table("SURVEY\tANSWERS\tCALLS\tLAST\tFLOWS\tQUESTIONS", func(w io.Writer) {
		for _, s := range list {
			last := "-"
			if s.Last != nil {
				last = clock(*s.Last)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", s.Name, s.Answers, s.Calls, last, dash(strings.Join(s.Flows, " ")), dash(strings.Join(s.Questions, " ")))
		}
	})
}

// surveyChoice chooses answers.
type surveyChoice struct {
	Survey   string `arg:"" help:"Its name."`
	Question string `help:"Only of this question."`
	Queue    string `help:"Only of callers who talked to this queue before."`
	Agent    string `help:"Or to this agent."`
	Call     string `help:"Only of this call."`
	Version  int    `help:"Only of this version of the flow."`
	From     string `help:"As in centrala report; left out: from the first on."`
	To       string `help:"As --from."`
}

func (k surveyChoice) query() api.SurveyQuery {
	return api.SurveyQuery{Name: k.Survey, Question: k.Question, Queue: k.Queue, Agent: k.Agent, Call: k.Call, Version: k.Version, From: k.From, To: k.To}
}

type surveyAnswersCmd struct {
	target
	surveyChoice
	Limit int  `help:"How many, 1 to 500." default:"50"`
	CSV   bool `help:"All of them as CSV." name:"csv"`
}

func (k surveyAnswersCmd) Run(c *cli) error {
	q := k.query()
	if k.CSV {
		b, err := k.client().SurveyCSV(context.Background(), q)
		if err != nil {
			return err
		}
		_, err = c.out.Write(b)
		return err
	}
	q.Limit = k.Limit
	p, err := k.client().SurveyAnswers(context.Background(), q)
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(p)
	}
	return c.table("ANSWERED\tCALL\tQUESTION\tANSWER\tQUEUE\tAGENT", func(w io.Writer) {
		for _, a := range p.Answers {
			answer := a.Value
			if a.Recording != "" {
				answer = "recording " + a.Recording
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", clock(a.At), a.CallID, a.Question, answer, dash(a.Queue), dash(a.Agent))
		}
	})
}

type surveyFiguresCmd struct {
	target
	surveyChoice
}

func (k surveyFiguresCmd) Run(c *cli) error {
	f, err := k.client().SurveyFigures(context.Background(), k.query())
	if err != nil {
		return err
	}
	if k.JSON {
		return c.printJSON(f)
	}
	return c.table("QUESTION\tANSWERS\tMEAN\tDISTRIBUTION", func(w io.Writer) {
		for _, q := range f.Questions {
			mean := "-"
			if q.Mean != nil {
				mean = fmt.Sprintf("%.2f", *q.Mean)
			}
			parts := make([]string, len(q.Values))
			for i, v := range q.Values {
				parts[i] = fmt.Sprintf("%s: %d (%.0f%%)", v.Value, v.Count, v.Percent)
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", q.Question, q.Answers, mean, dash(strings.Join(parts, ", ")))
		}
	})
}
