package api

import (
	"context"
	"strconv"

	"schoolbell"
	"schoolbell/internal/templates"
	"schoolbell/wire"
)

// Templates is what the API does with the templates of messages.
type Templates interface {
	Key(ctx context.Context, category schoolbell.Category, channel schoolbell.Channel, locale string) (schoolbell.TemplateKey, error)
	List(ctx context.Context) ([]schoolbell.Template, error)
	Get(ctx context.Context, key schoolbell.TemplateKey) (schoolbell.Template, error)
	Put(ctx context.Context, key schoolbell.TemplateKey, text schoolbell.TemplateText) (schoolbell.Template, error)
	Reset(ctx context.Context, key schoolbell.TemplateKey) error
	Versions(ctx context.Context, key schoolbell.TemplateKey, before int64, limit int) ([]schoolbell.Template, error)
	Show(ctx context.Context, t schoolbell.Template, with templates.Subject) (schoolbell.Message, error)
}

// TemplatePath names a template in the path.
type TemplatePath struct {
	Category schoolbell.Category `path:"category" doc:"Id of the category."`
	Channel  schoolbell.Channel  `path:"channel" doc:"email, sms or push."`
	Locale   string              `path:"locale" maxLength:"35" doc:"Language tag such as es or pt-BR."`
}

// templateKey returns the template that is meant.
func (s *Server) templateKey(ctx context.Context, in TemplatePath) (schoolbell.TemplateKey, error) {
	return s.cfg.Templates.Key(ctx, in.Category, in.Channel, in.Locale)
}

type listTemplatesOutput struct{ Body wire.TemplateList }

func (s *Server) listTemplates(ctx context.Context, _ *struct{}) (*listTemplatesOutput, error) {
	list, err := s.cfg.Templates.List(ctx)
	if err != nil {
		return nil, err
	}
	out := &listTemplatesOutput{wire.TemplateList{Templates: make([]wire.TemplateName, len(list))}}
	for i, t := range list {
		out.Body.Templates[i] = wire.TemplateNameOf(t)
	}
	return out, nil
}

type templateOutput struct{ Body wire.Template }

func (s *Server) getTemplate(ctx context.Context, in *TemplatePath) (*templateOutput, error) {
	key, err := s.templateKey(ctx, *in)
	if err != nil {
		return nil, err
	}
	t, err := s.cfg.Templates.Get(ctx, key)
	return &templateOutput{wire.TemplateOf(t)}, err
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
	stored, err := s.cfg.Templates.Put(ctx, key, in.Body.Template())
	return &templateOutput{wire.TemplateOf(stored)}, err
}

func (s *Server) resetTemplate(ctx context.Context, in *TemplatePath) (*struct{}, error) {
	key, err := s.templateKey(ctx, *in)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Templates.Reset(ctx, key)
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
	m, err := s.cfg.Templates.Show(ctx, t, templates.Subject{Event: in.Body.Event, User: in.Body.User})
	if err != nil {
		return nil, err
	}
	return &templateShownOutput{wire.TemplateShown{Subject: m.Subject, HTML: m.HTML.String(), Text: m.Text.String()}}, nil
}
