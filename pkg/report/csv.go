package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Cell makes a text safe for a spreadsheet: what begins like a formula gets an
// apostrophe before it, which spreadsheets take for "this is text".
func Cell(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '+', '-', '@', '\t', '\r', '\n':
		return "'" + s
	}
	return s
}

// WriteCSV writes lines of rows of a kind: start and end on the zone's clock with
// its offset, the name, every counter, every figure. A figure that there is not is
// an empty cell.
func WriteCSV(w io.Writer, k Kind, lines []Line, separator rune) error {
	out := csv.NewWriter(w)
	out.Comma = separator
	out.UseCRLF = true // RFC 4180
	counters, figures := CountersOf(k), FiguresOf(k)
	head := []string{"start", "end", string(k)}
	for _, c := range counters {
		head = append(head, c.String())
	}
	for _, f := range figures {
		head = append(head, f.Name)
	}
	if err := out.Write(head); err != nil {
		return fmt.Errorf("report: csv: %w", err)
	}
	row := make([]string, 0, len(head))
	for i := range lines {
		l := &lines[i]
		row = append(row[:0], l.Start.Format(time.RFC3339), l.End.Format(time.RFC3339), Cell(l.Name))
		for _, c := range counters {
			row = append(row, strconv.FormatInt(l.Counts[c], 10))
		}
		for _, f := range figures {
			cell := ""
			if v, ok := f.Value(&l.Counts); ok {
				cell = strconv.FormatFloat(v, 'f', 4, 64)
			}
			row = append(row, cell)
		}
		if err := out.Write(row); err != nil {
			return fmt.Errorf("report: csv: %w", err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("report: csv: %w", err)
	}
	return nil
}
