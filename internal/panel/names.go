package panel

import (
	"context"
	"strings"

	"schoolbell"
)

// names are what the panel calls people of the staff and categories.
type names struct {
	staff      map[string]string
	categories map[schoolbell.Category]schoolbell.CategoryInfo
}

func (s *Server) names(ctx context.Context) (n names, err error) {
	accounts, err := s.cfg.Staff.Accounts(ctx)
	if err != nil {
		return n, err
	}
	n.staff = make(map[string]string, len(accounts))
	for _, a := range accounts {
		n.staff[a.ID] = a.Name
	}
	categories, err := s.cfg.School.Categories(ctx)
	if err != nil {
		return n, err
	}
	n.categories = make(map[schoolbell.Category]schoolbell.CategoryInfo, len(categories))
	for _, c := range categories {
		n.categories[c.ID] = c
	}
	return n, nil
}

// actor says who did something.
func (n names) actor(a schoolbell.Actor) string {
	switch {
	case a.Kind == schoolbell.ActorStaff && n.staff[a.ID] != "":
		return n.staff[a.ID]
	case a.Kind == schoolbell.ActorStaff:
		return "a former member of the staff"
	case a.Kind == schoolbell.ActorKey && a.Name != "":
		return a.Name
	case a.Kind == schoolbell.ActorKey:
		return "a program"
	case a.Kind == schoolbell.ActorQueue:
		return "a program, through the queue"
	case a.Kind == schoolbell.ActorCLI:
		return "the command line"
	}
	return "Schoolbell"
}

// categoryBadge is how the panel shows a category.
type categoryBadge struct {
	Name, Icon string
	Urgent     bool
}

// categoryIcons are the icons of the built-in categories.
var categoryIcons = map[schoolbell.Category]string{
	schoolbell.CategoryAnnouncement: "i-horn", schoolbell.CategoryEvent: "i-cal", schoolbell.CategoryReminder: "i-redo",
	schoolbell.CategoryAttendance: "i-absent", schoolbell.CategoryUrgent: "i-bolt", schoolbell.CategoryDigest: "i-digest",
}

func (n names) category(id schoolbell.Category) categoryBadge {
	b := categoryBadge{Name: string(id), Icon: categoryIcons[id]}
	if info, ok := n.categories[id]; ok {
		b.Name, b.Urgent = info.Name, info.Lane == schoolbell.LaneUrgent
	}
	if b.Icon == "" {
		b.Icon = "i-horn"
	}
	return b
}

// channelName is a channel as the panel writes it.
func channelName(c schoolbell.Channel) string {
	names := map[schoolbell.Channel]string{schoolbell.ChannelInApp: "In app", schoolbell.ChannelEmail: "Email", schoolbell.ChannelSMS: "SMS", schoolbell.ChannelPush: "Push"}
	if name := names[c]; name != "" {
		return name
	}
	return string(c)
}

func channelIcon(c schoolbell.Channel) string {
	icons := map[schoolbell.Channel]string{schoolbell.ChannelInApp: "i-tray", schoolbell.ChannelEmail: "i-mail", schoolbell.ChannelSMS: "i-chat", schoolbell.ChannelPush: "i-device"}
	if icon := icons[c]; icon != "" {
		return icon
	}
	return "i-out"
}

const namedAtMost = 3 // groups or people; more are counted

// audienceWords says whom an audience picks.
func audienceWords(a schoolbell.Audience) string {
	parts := selectorWords(&a.Selector)
	if !a.GuardiansOf.Empty() {
		parts = append(parts, "guardians of "+join(selectorWords(a.GuardiansOf)))
	}
	words := join(parts)
	if !a.Exclude.Empty() {
		words += ", without " + join(selectorWords(a.Exclude))
	}
	if words == "" {
		return "those who have items of it"
	}
	return words
}

func selectorWords(s *schoolbell.Selector) (words []string) {
	if s == nil {
		return nil
	}
	for _, r := range s.Roles {
		words = append(words, roleWord(r))
	}
	switch n := len(s.Groups); {
	case n == 0:
	case n <= namedAtMost:
		words = append(words, s.Groups...)
	default:
		words = append(words, count(n, "group", "groups"))
	}
	if n := len(s.Users); n > 0 {
		words = append(words, count(n, "person", "people"))
	}
	return words
}

// roleWord is the people with a role.
func roleWord(r schoolbell.Role) string {
	if word := string(r); strings.HasSuffix(word, "f") || strings.HasSuffix(word, "s") {
		return word
	}
	return string(r) + "s"
}

// join writes a list: a, b and c.
func join(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
