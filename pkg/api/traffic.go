package api

// TrafficQuery asks for what came in on a past day, or in a stretch of time.
type TrafficQuery struct {
	// Day: "yesterday", "today" or a date, on the tenant's clock. "" = From and To.
	Day string
	// From and To: as of ReportQuery.
	From, To string
}
