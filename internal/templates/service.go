package templates

import (
	"context"
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// Store keeps the templates that the school has changed.
type Store interface {
	// Current returns the newest version of each template that is not the standard one.
	Current(ctx context.Context) ([]schoolbell.Template, error)

	// Versions returns the versions of a template before a version, newest first, at most limit; 0 means before none.
	Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error)

	// Put stores a version of a template.
	Put(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error)
}

// Renderer checks and shows templates.
type Renderer interface {
	// Standard returns the standard template.
	Standard(key schoolbell.TemplateKey) schoolbell.Template

	// Languages returns the languages that have standard templates, BCP 47.
	Languages() []string

	// Check reports what is wrong with a template as Faults.
	Check(t schoolbell.Template) error

	// Variables returns the names that can have a value in the messages of a category, and then the parts.
	Variables(category schoolbell.Category, channel schoolbell.Channel) []schoolbell.TemplateVariable

	// Preview makes a message from a template: of a sample event if ev is nil, and for a sample recipient if to is nil. The text is
	// what the event says of to, or of whom a sample event is.
	Preview(t schoolbell.Template, ev *schoolbell.Event, to *schoolbell.User, text *schoolbell.PersonalText) (schoolbell.Message, error)
}

// School knows the categories.
type School interface {
	Categories(ctx context.Context) ([]schoolbell.CategoryInfo, error)
	Category(ctx context.Context, id schoolbell.Category) (schoolbell.CategoryInfo, error)
}

// Events finds events.
type Events interface {
	Event(ctx context.Context, id string) (*schoolbell.Event, error)
}

// Records finds people with their numbers.
type Records interface {
	Person(ctx context.Context, id string) (ledger.PersonRecord, error)
}

// People finds people.
type People interface {
	User(ctx context.Context, id string) (*schoolbell.User, error)
}

// Texts knows what events say of single people.
type Texts interface {
	// Personal returns what the messages of an event to users with these numbers do not share, or would not if it were sent now.
	Personal(ctx context.Context, ev *schoolbell.Event, users []int64) (map[int64]*schoolbell.PersonalText, error)
}

// Config is what a Service works with. All is required but Emails.
type Config struct {
	Store    Store
	Renderer Renderer
	School   School
	Events   Events
	Records  Records
	People   People
	Texts    Texts
	Emails   *Emails // nil in a process that sends none
}

// Service is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a service.
func New(cfg Config) *Service { return &Service{cfg} }

// Channels are the channels whose messages have templates.
func Channels() []schoolbell.Channel {
	return []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush}
}

// Key returns the template that is meant. There are none for categories that the school does not have.
func (s *Service) Key(ctx context.Context, category schoolbell.Category, channel schoolbell.Channel, locale string) (schoolbell.TemplateKey, error) {
	key := schoolbell.TemplateKey{Category: category, Channel: channel, Locale: schoolbell.NormalizeLanguage(locale)}
	if !slices.Contains(Channels(), channel) {
		return key, schoolbell.NotFound("template", string(channel))
	}
	if schoolbell.ValidateLanguage(locale) != nil {
		return key, schoolbell.NotFound("template", locale)
	}
	_, err := s.cfg.School.Category(ctx, category)
	return key, err
}

// languages returns the languages that have standard templates, then those that only templates of the school have; standard is how many the first are.
func (s *Service) languages(own []schoolbell.Template) (languages []string, standard int) {
	languages = slices.Clone(s.cfg.Renderer.Languages())
	standard = len(languages)
	for _, t := range own {
		if !slices.Contains(languages, t.Locale) {
			languages = append(languages, t.Locale)
		}
	}
	return languages, standard
}

// List returns the standard templates of all categories, with those of the school in their place.
func (s *Service) List(ctx context.Context) (list []schoolbell.Template, err error) {
	categories, err := s.cfg.School.Categories(ctx)
	if err != nil {
		return nil, err
	}
	own, err := s.cfg.Store.Current(ctx)
	if err != nil {
		return nil, err
	}
	changed := make(map[schoolbell.TemplateKey]schoolbell.Template, len(own))
	for _, t := range own {
		changed[t.TemplateKey] = t
	}
	languages, standard := s.languages(own)
	for _, c := range categories {
		for _, channel := range Channels() {
			for i, language := range languages {
				key := schoolbell.TemplateKey{Category: c.ID, Channel: channel, Locale: language}
				if t, ok := changed[key]; ok {
					list = append(list, t)
				} else if i < standard { // else it is a language of another template only
					list = append(list, s.cfg.Renderer.Standard(key))
				}
			}
		}
	}
	return list, nil
}

// Get returns a template as it is used now.
func (s *Service) Get(ctx context.Context, key schoolbell.TemplateKey) (schoolbell.Template, error) {
	newest, err := s.cfg.Store.Versions(ctx, key, 0, 1)
	if err != nil {
		return schoolbell.Template{}, err
	}
	if len(newest) == 0 || newest[0].Reset {
		return s.cfg.Renderer.Standard(key), nil
	}
	return newest[0], nil
}

// Versions returns the versions of a template before a version, newest first, at most limit; 0 means before none.
func (s *Service) Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error) {
	return s.cfg.Store.Versions(ctx, key, before, limit)
}

// Put stores a new version of a template. What is wrong with it is CodeInvalid, by its fields.
func (s *Service) Put(ctx context.Context, key schoolbell.TemplateKey, text schoolbell.TemplateText) (schoolbell.Template, error) {
	t := schoolbell.Template{TemplateKey: key, TemplateText: text}
	if err := s.cfg.Renderer.Check(t); err != nil {
		return t, err
	}
	return s.put(ctx, t)
}

// Reset goes back to the standard template. The versions stay.
func (s *Service) Reset(ctx context.Context, key schoolbell.TemplateKey) error {
	_, err := s.put(ctx, schoolbell.Template{TemplateKey: key, Reset: true})
	return err
}

func (s *Service) put(ctx context.Context, t schoolbell.Template) (schoolbell.Template, error) {
	stored, err := s.cfg.Store.Put(ctx, t)
	if err != nil {
		return stored, err
	}
	change := ledger.ChangeOf(ctx)
	change.Target(ID(t.TemplateKey))
	change.Set("version", stored.Version)
	return stored, nil
}

// ID names a template in the audit log.
func ID(key schoolbell.TemplateKey) string {
	return string(key.Category) + "/" + string(key.Channel) + "/" + key.Locale
}
