package api

import (
	"context"
	"slices"
	"strconv"

	"schoolbell"
	"schoolbell/internal/ledger"
	"schoolbell/wire"
)

// Templates is what the API needs of the school's templates.
type Templates interface {
	Current(ctx context.Context) ([]schoolbell.Template, error)
	Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error)
	Put(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error)
}

// Renderer is what the API needs to check and to show templates.
type Renderer interface {
	// Standard returns the standard template.
	Standard(key schoolbell.TemplateKey) schoolbell.Template

	// Languages returns the languages that have standard templates, BCP 47.
	Languages() []string

	// Check reports what is wrong with a template as Faults.
	Check(t schoolbell.Template) error

	// Preview makes a message from a template: of a sample event if ev is nil, and for a sample recipient if to is nil. The text is
	// what the event says of to, or of whom a sample event is.
	Preview(t schoolbell.Template, ev *schoolbell.Event, to *schoolbell.User, text *schoolbell.PersonalText) (schoolbell.Message, error)
}

// PersonalTexts is what the API needs to show what events say of single people.
type PersonalTexts interface {
	// Personal returns what the messages of an event to users with these numbers do not share.
	Personal(ctx context.Context, eventID string, users []int64) (map[int64]*schoolbell.PersonalText, error)
}

// TemplatePath names a template in the path.
type TemplatePath struct {
	Category schoolbell.Category `path:"category" doc:"Id of the category."`
	Channel  schoolbell.Channel  `path:"channel" doc:"email, sms or push."`
	Locale   string              `path:"locale" maxLength:"35" doc:"Language tag such as es or pt-BR."`
}

// key returns the template that is meant. There are none for categories that the school does not have.
func (s *Server) templateKey(ctx context.Context, in TemplatePath) (schoolbell.TemplateKey, error) {
	key := schoolbell.TemplateKey{Category: in.Category, Channel: in.Channel, Locale: schoolbell.NormalizeLanguage(in.Locale)}
	switch in.Channel {
	case schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush:
	default:
		return key, schoolbell.NotFound("template", string(in.Channel))
	}
	if schoolbell.ValidateLanguage(in.Locale) != nil {
		return key, schoolbell.NotFound("template", in.Locale)
	}
	_, err := s.cfg.School.Category(ctx, in.Category)
	return key, err
}

type listTemplatesOutput struct{ Body wire.TemplateList }

// listTemplates lists the standard templates of all categories, with those of the school in their place.
func (s *Server) listTemplates(ctx context.Context, _ *struct{}) (*listTemplatesOutput, error) {
	categories, err := s.cfg.School.Categories(ctx)
	if err != nil {
		return nil, err
	}
	own, err := s.cfg.Templates.Current(ctx)
	if err != nil {
		return nil, err
	}
	changed := make(map[schoolbell.TemplateKey]schoolbell.Template, len(own))
	standard := s.cfg.Renderer.Languages()
	languages := slices.Clone(standard)
	for _, t := range own {
		changed[t.TemplateKey] = t
		if !slices.Contains(languages, t.Locale) {
			languages = append(languages, t.Locale)
		}
	}
	out := &listTemplatesOutput{wire.TemplateList{Templates: []wire.TemplateName{}}}
	for _, c := range categories {
		for _, channel := range []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush} {
			for _, language := range languages {
				key := schoolbell.TemplateKey{Category: c.ID, Channel: channel, Locale: language}
				t, ok := changed[key]
				if !ok {
					if !slices.Contains(standard, language) {
						continue // a language of another template only
					}
					t = s.cfg.Renderer.Standard(key)
				}
				out.Body.Templates = append(out.Body.Templates, wire.TemplateNameOf(t))
			}
		}
	}
	return out, nil
}

type templateOutput struct{ Body wire.Template }

func (s *Server) getTemplate(ctx context.Context, in *TemplatePath) (*templateOutput, error) {
	key, err := s.templateKey(ctx, *in)
	if err != nil {
		return nil, err
	}
	newest, err := s.cfg.Templates.Versions(ctx, key, 0, 1)
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 || newest[0].Reset {
		return &templateOutput{wire.TemplateOf(s.cfg.Renderer.Standard(key))}, nil
	}
	return &templateOutput{wire.TemplateOf(newest[0])}, nil
}

type putTemplateInput struct {
	TemplatePath
	Body wire.TemplateText
}

func (s *Server) putTemplate(ctx context.Context, in *putTemplateInput) (*templateOutput, error) {
	key, err := s.templateKey(ctx, in.TemplatePath)
	if err != nil {
		return nil, err
	}
	t := schoolbell.Template{TemplateKey: key, TemplateText: in.Body.Template()}
	if err := s.cfg.Renderer.Check(t); err != nil {
		return nil, err
	}
	return s.storeTemplate(ctx, t)
}

func (s *Server) storeTemplate(ctx context.Context, t schoolbell.Template) (*templateOutput, error) {
	stored, err := s.cfg.Templates.Put(ctx, t)
	if err != nil {
		return nil, err
	}
	change := ledger.ChangeOf(ctx)
	change.Target(templateID(t.TemplateKey))
	change.Set("version", stored.Version)
	return &templateOutput{wire.TemplateOf(stored)}, nil
}

// templateID names a template in the audit log.
func templateID(key schoolbell.TemplateKey) string {
	return string(key.Category) + "/" + string(key.Channel) + "/" + key.Locale
}

func (s *Server) resetTemplate(ctx context.Context, in *TemplatePath) (*struct{}, error) {
	key, err := s.templateKey(ctx, *in)
	if err != nil {
		return nil, err
	}
	_, err = s.storeTemplate(ctx, schoolbell.Template{TemplateKey: key, Reset: true})
	return nil, err
}

type listVersionsInput struct {
	TemplatePath
	Page
}

type templatesOutput struct{ Body wire.TemplatePage }

func (s *Server) listTemplateVersions(ctx context.Context, in *listVersionsInput) (*templatesOutput, error) {
	key, err := s.templateKey(ctx, in.TemplatePath)
	if err != nil {
		return nil, err
	}
	at, err := decodeCursor("template-versions", in.Cursor)
	if err != nil {
		return nil, err
	}
	var before int64
	if at.ID != "" {
		if before, err = strconv.ParseInt(at.ID, 10, 64); err != nil || before <= 0 {
			return nil, schoolbell.Invalid("cursor", "does not belong to this list")
		}
	}
	found, err := s.cfg.Templates.Versions(ctx, key, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &templatesOutput{wire.TemplatePage{Templates: []wire.Template{}}}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		if out.Body.Next, err = (cursor{Kind: "template-versions", ID: strconv.FormatInt(found[in.Limit-1].Version, 10)}).encode(); err != nil {
			return nil, err
		}
	}
	for _, t := range found {
		out.Body.Templates = append(out.Body.Templates, wire.TemplateOf(t))
	}
	return out, nil
}

type previewTemplateInput struct {
	TemplatePath
	Body wire.TemplatePreview
}

type templateShownOutput struct{ Body wire.TemplateShown }

func (s *Server) previewTemplate(ctx context.Context, in *previewTemplateInput) (*templateShownOutput, error) {
	key, err := s.templateKey(ctx, in.TemplatePath)
	if err != nil {
		return nil, err
	}
	t := schoolbell.Template{TemplateKey: key, TemplateText: in.Body.Template()}
	if err := s.cfg.Renderer.Check(t); err != nil {
		return nil, err
	}
	var ev *schoolbell.Event
	if in.Body.Event != "" {
		if ev, err = s.cfg.Store.Event(ctx, in.Body.Event); err != nil {
			return nil, unknownIn("event", err)
		}
	}
	var to *schoolbell.User
	var text *schoolbell.PersonalText
	if in.Body.User != "" {
		if to, text, err = s.previewedFor(ctx, in.Body.User, ev); err != nil {
			return nil, unknownIn("user", err)
		}
	}
	m, err := s.cfg.Renderer.Preview(t, ev, to, text)
	if err != nil {
		return nil, err
	}
	return &templateShownOutput{wire.TemplateShown{Subject: m.Subject, HTML: m.HTML.String(), Text: m.Text.String()}}, nil
}

// previewedFor returns a person, and what an event says of them; if it is nil, their students.
func (s *Server) previewedFor(ctx context.Context, id string, ev *schoolbell.Event) (*schoolbell.User, *schoolbell.PersonalText, error) {
	person, err := s.cfg.Exports.Person(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if ev != nil {
		texts, err := s.cfg.Texts.Personal(ctx, ev.ID, []int64{person.Number})
		return person.User, texts[person.Number], err
	}
	text := &schoolbell.PersonalText{Name: person.Name}
	for _, student := range person.GuardianOf {
		u, err := s.cfg.People.User(ctx, student)
		if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
			continue // erased meanwhile
		}
		if err != nil {
			return nil, nil, err
		}
		text.Students = append(text.Students, schoolbell.Student{ID: u.ID, Name: u.Name})
	}
	return person.User, text, nil
}

// unknownIn turns an unknown id in a body into a fault of its field.
func unknownIn(field string, err error) error {
	if schoolbell.CodeOf(err) == schoolbell.CodeNotFound {
		return schoolbell.Invalid(field, "there is no such %s", field)
	}
	return err
}
