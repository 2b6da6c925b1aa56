package row

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// maxNamed is how many unknown people of the personal data of an event are reported.
const maxNamed = 100

// PersonalUsers returns the ids of the people whom a new event has data of.
func PersonalUsers(ev *schoolbell.Event) []string {
	users := make([]string, len(ev.Personal))
	for i, p := range ev.Personal {
		users[i] = p.User
	}
	return users
}

// PersonalData returns the data of these people as their rows have them.
func PersonalData(ev *schoolbell.Event) ([]string, error) {
	data := make([]string, len(ev.Personal))
	for i, p := range ev.Personal {
		values, err := p.Values()
		if err != nil {
			return nil, fmt.Errorf("personal data %d: %w", i, err)
		}
		text, err := json.Marshal(values)
		if err != nil {
			return nil, fmt.Errorf("encode personal data %d: %w", i, err)
		}
		data[i] = string(text)
	}
	return data, nil
}

// UnknownPersonal returns a fault for each of the unknown users whom the event has data of, or nil if there are none.
func UnknownPersonal(ev *schoolbell.Event, users map[string]bool) error {
	var f schoolbell.Faults
	for i, p := range ev.Personal {
		if users[p.User] && len(f) < maxNamed {
			f.Add(fmt.Sprintf("personal[%d].user", i), "no user %q", p.User)
		}
	}
	return f.Err()
}

// PersonalText decodes what the messages of an event to one person do not share, which a statement returns as JSON.
func PersonalText(text string) (*schoolbell.PersonalText, error) {
	var p schoolbell.PersonalText
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, fmt.Errorf("decode a personal text: %w", err)
	}
	if len(p.Students) == 0 {
		p.Students = nil
	}
	sortStudents(p.Students)
	return &p, nil
}

func sortStudents(all []schoolbell.Student) {
	slices.SortFunc(all, func(a, b schoolbell.Student) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// PersonalTexts are what an event says of single people, by their numbers.
type PersonalTexts map[int64]*schoolbell.PersonalText

// AddData adds the data of a user as its row has it.
func (p PersonalTexts) AddData(user int64, data string) (err error) {
	p.of(user).Data, err = decodeData(data)
	return err
}

// AddStudent adds a student of a user. data is nil for none.
func (p PersonalTexts) AddStudent(user int64, student schoolbell.Student, data *string) (err error) {
	if data != nil {
		if student.Data, err = decodeData(*data); err != nil {
			return err
		}
	}
	text := p.of(user)
	text.Students = append(text.Students, student)
	sortStudents(text.Students)
	return nil
}

func (p PersonalTexts) of(user int64) *schoolbell.PersonalText {
	if p[user] == nil {
		p[user] = &schoolbell.PersonalText{}
	}
	return p[user]
}

func decodeData(text string) (map[string]string, error) {
	data, err := schoolbell.PersonData{Data: json.RawMessage(text)}.Values()
	if err != nil {
		return nil, fmt.Errorf("decode personal data: %w", err)
	}
	return data, nil
}

// AddConcerned adds the students of users.
func (p PersonalTexts) AddConcerned(concerned []Concerned) error {
	for _, c := range concerned {
		if err := p.AddStudent(c.Guardian, c.Student, c.Data); err != nil {
			return err
		}
	}
	return nil
}

// WithoutStudents returns those of users who have no students.
func (p PersonalTexts) WithoutStudents(users []int64) (rest []int64) {
	for _, user := range users {
		if p[user] == nil || len(p[user].Students) == 0 {
			rest = append(rest, user)
		}
	}
	return rest
}

// Concerned is a student of a guardian whom an event concerns.
type Concerned struct {
	Guardian int64 // number
	Student  schoolbell.Student
	Data     *string // of the student, as the row of a stored event has it; nil for none
}

// Personalize gives recipients of an event that is not stored what its messages would say of them.
func Personalize(ev *schoolbell.Event, people []ledger.Recipient, concerned []Concerned) error {
	students := map[int64][]schoolbell.Student{}
	for _, c := range concerned {
		students[c.Guardian] = append(students[c.Guardian], c.Student)
	}
	data := make(map[string]map[string]string, len(ev.Personal))
	for _, p := range ev.Personal {
		values, err := p.Values()
		if err != nil {
			return err
		}
		data[p.User] = values
	}
	for i := range people {
		to := &people[i]
		own := students[to.Seq]
		for n := range own {
			own[n].Data = data[own[n].ID]
		}
		sortStudents(own)
		to.Personal = &schoolbell.PersonalText{Name: to.Name, Data: data[to.UserID], Students: own}
	}
	return nil
}
