package cli_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

type demoFacts struct {
	Users           int     `json:"users"`
	CreateMS        float64 `json:"create_ms"`
	InApp           int     `json:"in_app"`
	EmailsAccepted  int     `json:"emails_accepted"`
	EmailsDistinct  int     `json:"emails_distinct"`
	Duplicates      int     `json:"duplicates"`
	Missing         int     `json:"missing"`
	Seconds         float64 `json:"seconds"`
	SMS             int     `json:"sms"`
	Push            int     `json:"push"`
	EmailsPerSecond float64 `json:"emails_per_second"`
	MaxRSSMB        float64 `json:"max_rss_mb"`
}

func TestDemo(t *testing.T) {
	t.Parallel()
	t.Run("everyone is reached once", testDemoReachesEveryone)
	t.Run("only the chosen channels are used", testDemoOneChannel)
	t.Run("the text output shows the result", testDemoTextOutput)
	t.Run("a kept demo has a panel until it is interrupted", testDemoKept)
}

func testDemoReachesEveryone(t *testing.T) {
	t.Parallel()
	r := inProcess(t, bare(), "demo", "--users", "1234", "--json")
	r.exits(0)
	if strings.Count(r.out.String(), "\n") != 1 {
		t.Errorf("more than one line:\n%s%s", &r.out, &r.err)
	}
	dec := json.NewDecoder(strings.NewReader(r.out.String()))
	dec.DisallowUnknownFields()
	var f demoFacts
	if err := dec.Decode(&f); err != nil {
		t.Fatalf("%v:\n%s", err, &r.out)
	}
	counted := demoFacts{Users: 1234, InApp: 1234, EmailsAccepted: 1234, EmailsDistinct: 1234, SMS: 200, Push: 200}
	got := demoFacts{Users: f.Users, InApp: f.InApp, EmailsAccepted: f.EmailsAccepted, EmailsDistinct: f.EmailsDistinct, Duplicates: f.Duplicates, Missing: f.Missing, SMS: f.SMS, Push: f.Push}
	if got != counted {
		t.Errorf("counted %+v, want %+v", got, counted)
	}
	if f.CreateMS <= 0 || f.Seconds <= 0 || f.EmailsPerSecond <= 0 || f.MaxRSSMB <= 0 {
		t.Errorf("not measured: %+v", f)
	}
}

func testDemoOneChannel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		channel                  string
		inApp, emails, sms, push int
	}{{"in_app", 60, 0, 0, 0}, {"email", 0, 60, 0, 0}, {"in_app,sms", 60, 0, 60, 0}, {"in_app,push", 60, 0, 0, 60}} {
		t.Run(c.channel, func(t *testing.T) {
			t.Parallel()
			r := inProcess(t, bare(), "demo", "--users", "60", "--channels", c.channel, "--json")
			r.exits(0)
			var f demoFacts
			if err := json.Unmarshal([]byte(r.out.String()), &f); err != nil {
				t.Fatal(err)
			}
			if f.InApp != c.inApp || f.EmailsAccepted != c.emails || f.SMS != c.sms || f.Push != c.push || f.Missing != 0 || f.Duplicates != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func testDemoTextOutput(t *testing.T) {
	t.Parallel()
	r := inProcess(t, bare(), "demo", "--users", "100")
	r.exits(0)
	for _, want := range []string{
		`Made 100 people \(80 students, 5 teachers, 15 parents\)`, `Created one event .* in [\d.]+ ms`,
		`In-app messages +100`, `Emails accepted  +100`, `Text messages +100`, `Push messages +100`, `Duplicates +0`, `Missing +0`, `Everyone was reached, nobody twice\.`,
	} {
		if !regexp.MustCompile(want).MatchString(r.out.String()) {
			t.Errorf("does not say %q:\n%s", want, &r.out)
		}
	}
}

func testDemoKept(t *testing.T) {
	t.Parallel()
	r := inProcess(t, bare(), "demo", "--users", "60", "--keep")
	link := r.says(`http://127\.0\.0\.1:\d+/panel/password/\S+`)
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %d", link, resp.StatusCode)
	}
	r.stop()
	r.exits(0)
}
