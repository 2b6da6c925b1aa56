package cli

import (
	"context"
	"os"
	"strconv"
	"strings"

	"schoolbell"
	"schoolbell/wire"
)

type templateCmd struct {
	List     templateListCmd     `cmd:"" help:"List the templates."`
	Show     templateShowCmd     `cmd:"" help:"Show a template as it is used now."`
	Set      templateSetCmd      `cmd:"" help:"Store a new version of a template. Parts that are left out stay as they are."`
	Preview  templatePreviewCmd  `cmd:"" help:"Show the message that a template makes."`
	Versions templateVersionsCmd `cmd:"" help:"List the versions of a template, newest first."`
	Reset    templateResetCmd    `cmd:"" help:"Go back to the standard template."`
}

// templateArg names a template.
type templateArg struct {
	Category schoolbell.Category `arg:"" name:"category" help:"Category, such as event."`
	Channel  schoolbell.Channel  `arg:"" name:"channel" help:"email, sms or push."`
	Locale   string              `arg:"" name:"locale" help:"Language tag, such as en or pt-BR."`
}

func (a templateArg) key() schoolbell.TemplateKey {
	return schoolbell.TemplateKey{Category: a.Category, Channel: a.Channel, Locale: a.Locale}
}

// templateParts are files with the parts of a template.
type templateParts struct {
	Subject *string `name:"subject" placeholder:"TEXT" help:"Subject of emails, or title of push messages."`
	HTML    string  `name:"html" placeholder:"FILE" help:"File with the HTML of emails. - reads it from standard input."`
	Text    string  `name:"text" placeholder:"FILE" help:"File with the plain text. - reads it from standard input."`
}

// over returns a template with the parts that are given in place of its own.
func (p templateParts) over(a *program, t wire.TemplateText) (wire.TemplateText, error) {
	if p.HTML == "-" && p.Text == "-" {
		return t, usage("only one part can come from standard input")
	}
	if p.Subject != nil {
		t.Subject = *p.Subject
	}
	for file, part := range map[*string]*string{&p.HTML: &t.HTML, &p.Text: &t.Text} {
		if *file == "" {
			continue
		}
		text, err := readPart(a, *file)
		if err != nil {
			return t, err
		}
		*part = text
	}
	return t, nil
}

// readPart reads a file, or standard input for "-".
func readPart(a *program, file string) (string, error) {
	if file == "-" {
		return readAll(a.In)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", usage("%v", err)
	}
	defer f.Close()
	return readAll(f)
}

type templateListCmd struct{ remote }

// Run lists the templates.
func (c *templateListCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	found, err := server.Templates(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(wire.TemplateList{Templates: found})
	}
	a.printTemplates(found)
	return nil
}

func (a *program) printTemplates(found []wire.TemplateName) {
	t := newTable("CATEGORY", "CHANNEL", "LOCALE", "VERSION", "STORED")
	for _, x := range found {
		t.add(templateRow(x)...)
	}
	t.print(a.Out, a.style)
}

func templateRow(x wire.TemplateName) []string {
	row := []string{string(x.Category), string(x.Channel), x.Locale, "standard", "-"}
	if x.Version > 0 {
		row[3], row[4] = strconv.FormatInt(x.Version, 10), when(x.CreatedAt.Time)
	}
	if x.Reset {
		row[3] += ", standard"
	}
	return row
}

type templateShowCmd struct {
	remote
	templateArg
	Part string `name:"part" enum:",subject,html,text" default:"" placeholder:"PART" help:"Print only the subject, the html or the text."`
}

// Run shows a template.
func (c *templateShowCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	t, err := server.Template(ctx, c.key())
	switch {
	case err != nil:
		return err
	case c.JSON:
		return a.printJSON(t)
	case c.Part != "":
		a.say("%s", map[string]string{"subject": t.Subject, "html": t.HTML, "text": t.Text}[c.Part])
		return nil
	}
	a.printParts(t.Subject, t.HTML, t.Text)
	return nil
}

// printParts prints the parts that there are below each other, with their lines.
func (a *program) printParts(subject, html, text string) {
	for _, p := range [][2]string{{"SUBJECT", subject}, {"HTML", html}, {"TEXT", text}} {
		if p[1] == "" {
			continue
		}
		a.say("%s", a.style.bold(p[0]))
		for line := range strings.SplitSeq(strings.TrimRight(p[1], "\n"), "\n") {
			a.say("%s", painted(printableLine(line)))
		}
		a.say("")
	}
}

type templateSetCmd struct {
	remote
	templateArg
	templateParts
}

// Run stores a version of a template.
func (c *templateSetCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	now, err := server.Template(ctx, c.key())
	if err != nil {
		return err
	}
	text, err := c.over(a, now.TemplateText)
	if err != nil {
		return err
	}
	stored, err := server.PutTemplate(ctx, c.key(), text)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(stored)
	}
	a.say("Stored version %d. Events that start more than three seconds from now use it.", stored.Version)
	return nil
}

type templatePreviewCmd struct {
	remote
	templateArg
	templateParts
	Event string `name:"event" placeholder:"ID" help:"Event to show. A sample if left out."`
	User  string `name:"user" placeholder:"ID" help:"Person to show it for. A sample if left out."`
}

// Run shows the message that a template makes.
func (c *templatePreviewCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	now, err := server.Template(ctx, c.key())
	if err != nil {
		return err
	}
	text, err := c.over(a, now.TemplateText)
	if err != nil {
		return err
	}
	shown, err := server.PreviewTemplate(ctx, c.key(), wire.TemplatePreview{TemplateText: text, Event: c.Event, User: c.User})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(shown)
	}
	a.printParts(shown.Subject, shown.HTML, shown.Text)
	return nil
}

type templateVersionsCmd struct {
	remote
	templateArg
}

// Run lists the versions of a template.
func (c *templateVersionsCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	page, err := server.TemplateVersions(ctx, c.key(), "")
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(page)
	}
	names := make([]wire.TemplateName, len(page.Templates))
	for i, x := range page.Templates {
		names[i] = x.TemplateName
	}
	a.printTemplates(names)
	return nil
}

type templateResetCmd struct {
	remote
	templateArg
}

// Run goes back to the standard template.
func (c *templateResetCmd) Run(ctx context.Context, a *program) error {
	server, hangUp, err := c.dial(a)
	if err != nil {
		return err
	}
	defer hangUp()
	if err := server.ResetTemplate(ctx, c.key()); err != nil {
		return err
	}
	if !c.JSON {
		a.say("The standard template is used for events that start more than three seconds from now.")
	}
	return nil
}
