package site

import (
	"context"
	"strings"

	"schoolbell"
)

// Names are what the panel calls people of the staff and categories.
type Names struct {
	Staff      map[string]string
	Categories map[schoolbell.Category]schoolbell.CategoryInfo
}

// Names reads what the staff and the categories are called now.
func (s *Site) Names(ctx context.Context) (n Names, err error) {
	accounts, err := s.cfg.Staff.Accounts(ctx)
	if err != nil {
		return n, err
	}
	n.Staff = make(map[string]string, len(accounts))
	for _, a := range accounts {
		n.Staff[a.ID] = a.Name
	}
	categories, err := s.cfg.Categories.Categories(ctx)
	if err != nil {
		return n, err
	}
	n.Categories = make(map[schoolbell.Category]schoolbell.CategoryInfo, len(categories))
	for _, c := range categories {
		n.Categories[c.ID] = c
	}
	return n, nil
}

// Actor says who did something.
func (n Names) Actor(a schoolbell.Actor) string {
	switch {
	case a.Kind == schoolbell.ActorStaff && n.Staff[a.ID] != "":
		return n.Staff[a.ID]
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

// CategoryBadge is how the panel shows a category.
type CategoryBadge struct {
	Name, Icon string
	Urgent     bool
}

// categoryIcons are the icons of the built-in categories.
var categoryIcons = map[schoolbell.Category]string{
	schoolbell.CategoryAnnouncement: "i-horn", schoolbell.CategoryEvent: "i-cal", schoolbell.CategoryReminder: "i-redo",
	schoolbell.CategoryAttendance: "i-absent", schoolbell.CategoryUrgent: "i-bolt", schoolbell.CategoryDigest: "i-digest",
}

// Category is the badge of a category. One that was removed has its id as its name.
func (n Names) Category(id schoolbell.Category) CategoryBadge {
	b := CategoryBadge{Name: string(id), Icon: categoryIcons[id]}
	if info, ok := n.Categories[id]; ok {
		b.Name, b.Urgent = info.Name, info.Lane == schoolbell.LaneUrgent
	}
	if b.Icon == "" {
		b.Icon = "i-horn"
	}
	return b
}

// ChannelName is a channel as the panel writes it.
func ChannelName(c schoolbell.Channel) string {
	names := map[schoolbell.Channel]string{schoolbell.ChannelInApp: "In app", schoolbell.ChannelEmail: "Email", schoolbell.ChannelSMS: "SMS", schoolbell.ChannelPush: "Push"}
	if name := names[c]; name != "" {
		return name
	}
	return string(c)
}

// ChannelIcon is the name of the icon of a channel.
func ChannelIcon(c schoolbell.Channel) string {
	icons := map[schoolbell.Channel]string{schoolbell.ChannelInApp: "i-tray", schoolbell.ChannelEmail: "i-mail", schoolbell.ChannelSMS: "i-chat", schoolbell.ChannelPush: "i-device"}
	if icon := icons[c]; icon != "" {
		return icon
	}
	return "i-out"
}

// RoleWord is the people with a role.
func RoleWord(r schoolbell.Role) string {
	if word := string(r); strings.HasSuffix(word, "f") || strings.HasSuffix(word, "s") {
		return word
	}
	return string(r) + "s"
}

// RolesOf are the roles of a person, in words.
func RolesOf(u *schoolbell.User) string {
	words := make([]string, len(u.Roles))
	for i, r := range u.Roles {
		words[i] = string(r)
	}
	return StatusWord(Join(words))
}
