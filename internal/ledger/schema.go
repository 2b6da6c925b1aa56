package ledger

// Schema says which version a database's schema has and which one a program needs.
type Schema struct {
	Version int64 // 0 for an empty database
	Needed  int64 // by this program

	// OldestProgram is the version that the oldest programs need which can use the schema as it is.
	// Migrations only add to a schema at first, so programs of the version before still run on it.
	OldestProgram int64
}

// Behind reports whether the program needs a newer schema.
func (s Schema) Behind() bool { return s.Version < s.Needed }

// Ahead reports whether the schema is so new that the program cannot use it.
func (s Schema) Ahead() bool { return s.Version > s.Needed && s.OldestProgram > s.Needed }

// Usable reports whether the program can use the schema.
func (s Schema) Usable() bool { return !s.Behind() && !s.Ahead() }
