package templateeditor

import (
	"strings"
	"testing"

	"schoolbell"
)

func TestTemplateFaults(t *testing.T) {
	fields := templateFields(schoolbell.ChannelEmail, templateForm{Subject: "s", Text: "one\n  {{twoo}}\nthree"})
	var f schoolbell.Faults
	f.Add("text", `line 2: there is no "twoo"`)
	f.Add("html", "is missing")
	f.Add("user", "there is no such user")
	list := noted(fields, f.Err())
	if len(list) != 3 || list[0] != (templateFault{"text", "Text", `Line 2: there is no "twoo".`, 2, "{{twoo}}"}) || list[1].Label != "HTML" || list[1].Line != 0 || list[2].Label != "Person" {
		t.Errorf("%+v", list)
	}
	if fields[2].Fault != list[0] || fields[1].Fault != list[1] || fields[0].Fault.Text != "" {
		t.Errorf("%+v", fields)
	}
	for _, message := range []string{"line 0: x", "line 9: x", "line x", "line -1: x"} {
		if line, source := faultyLine("a\nb", message); line != 0 || source != "" {
			t.Errorf("%q is about line %d, %q", message, line, source)
		}
	}
}

// Nothing of a policy can be in the address of a logo.
func TestLogoOrigin(t *testing.T) {
	p := &Pages{}
	for logo, want := range map[string]string{"": "", "https://hill.example/a.png": " https://hill.example", "http://hill.example/a.png": "", "https://a.example; script-src *": "", "https://a.example,b/x": "", "data:text/html,x": ""} {
		p.cfg.Settings = func() schoolbell.SchoolSettings { return schoolbell.SchoolSettings{Logo: logo} }
		if got := p.logoOrigin(); got != want {
			t.Errorf("%q gives %q", logo, got)
		}
	}
}

func TestTestWords(t *testing.T) {
	for verdict, want := range map[schoolbell.Verdict]string{schoolbell.VerdictSent: "has taken", schoolbell.VerdictRetry: "has not taken", schoolbell.VerdictSlowDown: "has not taken",
		schoolbell.VerdictGiveUp: "has refused", schoolbell.VerdictUncertain: "may have arrived", schoolbell.VerdictDropped: "has not taken", schoolbell.VerdictUntried: "was not sent"} {
		got := testWords(schoolbell.Result{Verdict: verdict, Reason: "550 no"}, "a@b.example", false)
		if !strings.Contains(got.Text, want) || got.OK != (verdict == schoolbell.VerdictSent) || strings.Contains(got.Text, "550 no") == got.OK {
			t.Errorf("%s: %+v", verdict, got)
		}
	}
	if got := testWords(schoolbell.Result{Verdict: schoolbell.VerdictSent}, "a@b.example", true); !got.OK || !strings.Contains(got.Text, "no email is sent") {
		t.Errorf("captured: %+v", got)
	}
}
