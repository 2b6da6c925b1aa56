package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"schoolbell"
	"schoolbell/internal/app"
	"schoolbell/wire"
)

// keepRunning gives the panel something to show, prints a link with which somebody signs in, and waits until ctx ends.
func (d *demo) keepRunning(ctx context.Context) error {
	if err := d.moreEvents(ctx); err != nil {
		return err
	}
	accounts, err := app.OpenStaff(ctx, d.runtime.Ledger, d.runtime.Log)
	if err != nil {
		return err
	}
	_, secret, err := accounts.Add(changingStaff(ctx, "staff.add", ""),
		schoolbell.StaffAccount{Email: "office@hill.example", Name: "Mara Tennick", Role: schoolbell.RoleAdmin})
	if err != nil {
		return fmt.Errorf("make a staff account: %w", err)
	}
	d.app.say("")
	d.app.say("The panel runs until you press Ctrl+C. Choose a password for office@hill.example at")
	d.app.say("%s", d.app.style.bold(app.PasswordURL(d.url, secret)))
	<-ctx.Done()
	return nil
}

// moreEvents creates events of other kinds: urgent, scheduled, cancelled, one that leaves somebody out, one that fails in part and one that
// goes on for a while.
func (d *demo) moreEvents(ctx context.Context) error {
	server, hangUp, err := dial(d.url, d.key, nil)
	if err != nil {
		return err
	}
	defer hangUp()
	for _, u := range []schoolbell.User{{ID: "caretaker", Name: "Ode Marchbank"}, {ID: "coach", Name: "Rafael Oduya", Phone: wrongNumber}, {ID: "driver", Name: "Ilse Varga", Phone: busyNumber}} {
		u.Roles = []schoolbell.Role{schoolbell.RoleStaff}
		if _, _, err := server.PutUser(ctx, u); err != nil {
			return fmt.Errorf("add a person: %w", err)
		}
	}
	to := func(roles ...schoolbell.Role) schoolbell.Audience {
		return schoolbell.Audience{Selector: schoolbell.Selector{Roles: roles}}
	}
	byText := func(title, body string, a schoolbell.Audience) wire.NewEvent {
		return wire.NewEvent{Title: title, Body: body, Audience: a, Channels: []schoolbell.Channel{schoolbell.ChannelSMS}}
	}
	events := []wire.NewEvent{}
	if slices.Contains(d.channels, schoolbell.ChannelSMS) {
		events = append(events,
			byText("Match on Saturday at ten", "We meet at the sports hall.", schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{phoneGroup}, Users: []string{"coach"}}}),
			byText("Bus 12 leaves ten minutes later", "Roadworks in Mill Lane.", schoolbell.Audience{Selector: schoolbell.Selector{Groups: []string{phoneGroup}, Users: []string{"driver"}}}))
	}
	soon := wire.At(time.Now().Add(26 * time.Hour))
	var last *wire.Event
	for _, ev := range append(events, []wire.NewEvent{
		{Title: "Snow: school closed today", Body: "All buildings stay closed today. No buses run.\n\nLessons go on tomorrow as planned.", Category: schoolbell.CategoryUrgent, Audience: to(schoolbell.RoleTeacher, schoolbell.RoleStaff)},
		{Title: "Winter term dates", Body: "The winter term ends on Friday 18 December at noon.", Audience: to(schoolbell.RoleStaff)},
		{Title: "Parents' evening", Body: "Teachers are in their rooms from four to seven.", Category: schoolbell.CategoryEvent, Location: "Main building", Audience: to(schoolbell.RoleParent), SendAt: soon},
		{Title: "Choir rehearsal", Body: "The choir meets in the hall.", Audience: to(schoolbell.RoleStudent), SendAt: soon},
	}...) {
		if last, err = server.CreateEvent(ctx, ev); err != nil {
			return fmt.Errorf("create an event: %w", err)
		}
	}
	if _, err := server.CancelEvent(ctx, last.ID); err != nil {
		return fmt.Errorf("cancel an event: %w", err)
	}
	return nil
}
