package people

// LimitImports makes the limits of imports small enough for a test.
func (s *Service) LimitImports(rows, links int) { s.maxRows, s.maxLinks = rows, links }

// The two readers of an NDJSON line.
var (
	ParsePlain  = parsePlain
	ParseObject = parseObject
)
