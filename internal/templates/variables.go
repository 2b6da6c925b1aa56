package templates

import (
	"context"
	"strings"

	"schoolbell"
)

// between stands between the values of names. People do not write it.
const between = "\u241f"

// Variables returns what a template may name, with the values in the message that is shown.
func (s *Service) Variables(ctx context.Context, key schoolbell.TemplateKey, with Subject) []schoolbell.TemplateVariable {
	list := s.cfg.Renderer.Variables(key.Category, key.Channel)
	var asked []string
	var at []int
	for i, v := range list {
		if !v.Part && v.Within == "" {
			asked, at = append(asked, "{{"+v.Name+"}}"), append(at, i)
		}
	}
	values := s.values(ctx, key, with, strings.Join(asked, between))
	for i := range at[:min(len(at), len(values))] {
		list[at[i]].Value = values[i]
	}
	return list
}

// values fills in a text with names, and splits it. There are none if something is not known.
func (s *Service) values(ctx context.Context, key schoolbell.TemplateKey, with Subject, text string) []string {
	t := schoolbell.Template{TemplateKey: key}
	switch key.Channel {
	case schoolbell.ChannelEmail:
		t.Subject, t.HTML, t.Text = text, "<p>x</p>", "x"
	case schoolbell.ChannelPush:
		t.Subject, t.Text = text, "x"
	default:
		t.Text = text
	}
	m, err := s.Show(ctx, t, with)
	if err != nil {
		return nil
	}
	if key.Channel == schoolbell.ChannelSMS {
		return strings.Split(m.Text.String(), between)
	}
	return strings.Split(m.Subject, between)
}
