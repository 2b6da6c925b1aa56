package wire

// Problem is the body of every answer that is not a success (RFC 9457).
type Problem struct {
	Type   string        `json:"type" doc:"URL of the explanation of this kind of problem."`
	Title  string        `json:"title" doc:"The kind of problem, for people."`
	Status int           `json:"status" doc:"The HTTP status."`
	Detail string        `json:"detail,omitempty" doc:"What went wrong in this request."`
	Code   string        `json:"code" doc:"The kind of problem, for programs." example:"invalid"`
	Fields []FieldError  `json:"errors,omitempty" maxItems:"100" doc:"Faults in the input, at most 100."`
	More   int           `json:"errors_omitted,omitempty" doc:"Number of faults that are not listed."`
	Import *ImportReport `json:"import,omitempty" doc:"What the import did before it stopped."`
}

// FieldError is one fault of the input.
type FieldError struct {
	Field   string `json:"field" doc:"The invalid field, header or parameter." example:"audience.groups[1]"`
	Message string `json:"message" doc:"Why it is invalid."`
}
