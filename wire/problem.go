package wire

// Problem is the body of every answer that is not a success (RFC 9457).
type Problem struct {
	Type   string        `json:"type" doc:"Where this kind of problem is explained."`
	Title  string        `json:"title" doc:"The kind of problem in words."`
	Status int           `json:"status" doc:"The HTTP status."`
	Detail string        `json:"detail,omitempty" doc:"What went wrong this time."`
	Code   string        `json:"code" doc:"The kind of problem, for programs." example:"invalid"`
	Fields []FieldError  `json:"errors,omitempty" maxItems:"100" doc:"The faults found in the input, at most 100."`
	More   int           `json:"errors_omitted,omitempty" doc:"How many faults there are beyond those listed."`
	Import *ImportReport `json:"import,omitempty" doc:"What an import did before it stopped."`
}

// FieldError is one fault of the input.
type FieldError struct {
	Field   string `json:"field" doc:"The field, header or parameter to blame." example:"audience.groups[1]"`
	Message string `json:"message" doc:"What is wrong with it."`
}
