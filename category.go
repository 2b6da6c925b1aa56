package schoolbell

// Category is the kind of an event. It says whether people may opt out of it.
type Category string

const (
	CategoryAnnouncement Category = "announcement"
	CategoryEvent        Category = "event"
	CategoryAttendance   Category = "attendance"
	CategoryUrgent       Category = "urgent"
	CategoryDigest       Category = "digest"
)

// Categories lists every category in the order in which they are shown.
func Categories() []Category {
	return []Category{CategoryAnnouncement, CategoryEvent, CategoryAttendance, CategoryUrgent, CategoryDigest}
}

// Valid reports whether c is a known category.
func (c Category) Valid() bool {
	switch c {
	case CategoryAnnouncement, CategoryEvent, CategoryAttendance, CategoryUrgent, CategoryDigest:
		return true
	}
	return false
}

// Mandatory reports whether events of this category reach people whatever they
// opted out of: school is closed, a child is missing from class.
func (c Category) Mandatory() bool {
	return c == CategoryUrgent || c == CategoryAttendance
}
