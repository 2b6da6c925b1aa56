package wire

// ImportReport says what an import of users did.
type ImportReport struct {
	Imported  int           `json:"imported"`
	Updated   int           `json:"updated"`
	Rejected  int           `json:"rejected"`
	Unchanged int           `json:"unchanged"` // those of updated who are as before
	Errors    []ImportError `json:"errors"`
	Omitted   int           `json:"errors_omitted,omitempty"` // errors beyond those listed
}

// ImportError is one fault in an imported file.
type ImportError struct {
	Line    int    `json:"line"` // where the row begins, from 1; a CSV header counts
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}
