package settings

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"
	"time"

	"schoolbell"
	"schoolbell/internal/auth"
	"schoolbell/internal/panel/site"
)

var (
	keysPage   = parse("settings.html", "keys.html")
	keyPage    = parse("settings.html", "key.html")
	secretPage = parse("settings.html", "secret.html")
)

// keysView is the list of API keys, and the form of a new one.
type keysView struct {
	site.Faults
	Rows          []keyRow
	Name, Expires string
	Scopes        []site.Option
}

// keyRow is a secret of an API key.
type keyRow struct {
	Name, Scope, Fingerprint   string
	Made, Used, Ends, Replaced site.Moment
	Setting                    bool // it comes from the settings of the process
	Expired                    bool
}

// scopeWords says what each scope allows.
var scopeWords = map[schoolbell.Scope]string{schoolbell.ScopeAdmin: "Admin: everything", schoolbell.ScopeSend: "Send: create events and read them", schoolbell.ScopeRead: "Read: only look"}

var keyFields = site.Fields{{Field: "name", Label: "Name"}, {Field: "scope", Label: "Scope"}, {Field: "expires_at", Label: "Ends"}}

func (p *Pages) listKeys(c *site.Call) error {
	return p.writeKeys(c, http.StatusOK, keysView{Scopes: scopeOptions(schoolbell.ScopeSend)})
}

func scopeOptions(current schoolbell.Scope) (options []site.Option) {
	for _, scope := range schoolbell.Scopes() {
		options = append(options, site.Option{Value: string(scope), Name: scopeWords[scope], Current: scope == current})
	}
	return options
}

func (p *Pages) writeKeys(c *site.Call, status int, v keysView) error {
	keys, err := p.cfg.Keys.Keys(c.Ctx())
	if err != nil {
		return err
	}
	for _, k := range keys {
		v.Rows = append(v.Rows, p.keyRow(k))
	}
	return p.writeSettings(c, keysPage, "settings/keys", status, v)
}

func (p *Pages) keyRow(k schoolbell.APIKey) keyRow {
	return keyRow{Name: cmp.Or(k.Name, "without a name"), Scope: string(k.Scope), Fingerprint: auth.Fingerprint(k), Made: p.site.When(k.CreatedAt), Used: p.site.When(k.LastUsedAt),
		Ends: p.site.When(k.ExpiresAt), Replaced: p.site.When(k.ReplacedAt), Setting: k.Name == auth.SeededName, Expired: k.Expired(p.site.Now())}
}

// secretView is a secret that is shown once.
type secretView struct {
	Title, Secret, Hint string
	Back, BackName      string
}

// writeSecret shows the secret of a key or a webhook. Nothing keeps it.
func (p *Pages) writeSecret(c *site.Call, section string, v secretView) error {
	spec := site.Spec{Title: v.Title, Path: "settings", Crumbs: []site.Crumb{toSettings, {Name: v.BackName, Path: section}}}
	return p.site.Write(c, secretPage, spec, settingsView{settingsSections, section, v})
}

func (p *Pages) addKey(c *site.Call) error {
	name, scope, day := strings.TrimSpace(c.Form.Get("name")), schoolbell.Scope(c.Form.Get("scope")), strings.TrimSpace(c.Form.Get("expires_at"))
	expires, err := endOfDay(day, p.site.Zone())
	var secret string
	var k schoolbell.APIKey
	switch {
	case err != nil:
	case name == "":
		err = schoolbell.Invalid("name", "say which program uses the key")
	default:
		secret, k, err = p.cfg.Keys.CreateKey(c.Ctx(), name, scope, expires)
	}
	if schoolbell.CodeOf(err) == schoolbell.CodeInvalid {
		return p.writeKeys(c, http.StatusUnprocessableEntity, keysView{Faults: keyFields.Faults(err), Name: name, Expires: day, Scopes: scopeOptions(scope)})
	}
	if err != nil {
		return err
	}
	return p.writeSecret(c, "settings/keys", secretView{"The key “" + k.Name + "”", secret, "Programs send it as Authorization: Bearer. Its scope is " + string(k.Scope) + ".", "settings/keys", "API keys"})
}

// endOfDay is the end of a day in a zone, as fields of dates have them; the zero time of nothing.
func endOfDay(day string, zone *time.Location) (time.Time, error) {
	if day == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, day, zone)
	if err != nil {
		return at, schoolbell.Invalid("expires_at", "must be a day such as 2027-08-31")
	}
	return at.AddDate(0, 0, 1), nil
}

// keyView is one secret of an API key.
type keyView struct {
	site.Faults
	keyRow
	Graces []site.Option
}

// graces are how long the secret before still works after a rotation.
var graces = []site.Option{{Value: "24h", Name: "24 hours"}, {Value: "168h", Name: "7 days"}, {Value: "0s", Name: "not at all"}}

func (p *Pages) showKey(c *site.Call) error { return p.writeKey(c, http.StatusOK, nil) }

func (p *Pages) writeKey(c *site.Call, status int, fault error) error {
	k, err := p.key(c)
	if err != nil {
		return err
	}
	v := keyView{Faults: site.Fields{}.Faults(fault), keyRow: k, Graces: graces}
	spec := site.Spec{Title: v.Name, Path: "settings", Crumbs: []site.Crumb{toSettings, toKeys}, Status: status}
	return p.site.Write(c, keyPage, spec, settingsView{settingsSections, "settings/keys", v})
}

var toKeys = site.Crumb{Name: "API keys", Path: "settings/keys"}

// key is the secret that the path names.
func (p *Pages) key(c *site.Call) (keyRow, error) {
	keys, err := p.cfg.Keys.Keys(c.Ctx())
	if err != nil {
		return keyRow{}, err
	}
	for _, k := range keys {
		if auth.Fingerprint(k) == c.R.PathValue("id") {
			return p.keyRow(k), nil
		}
	}
	return keyRow{}, schoolbell.NotFound("API key", c.R.PathValue("id"))
}

func (p *Pages) rotateKey(c *site.Call) error {
	grace, err := time.ParseDuration(c.Form.Get("grace"))
	if err != nil {
		return schoolbell.Invalid("grace", "must be a time such as 24h")
	}
	secret, k, old, err := p.cfg.Keys.Rotate(c.Ctx(), c.R.PathValue("id"), grace, time.Time{})
	if fault := site.FaultOf(err, site.WholeForm); fault != nil {
		return p.writeKey(c, http.StatusUnprocessableEntity, fault)
	}
	if err != nil {
		return err
	}
	hint := "The secret before is refused from now on."
	if grace > 0 {
		hint = "The secret before works until " + p.site.When(old.ExpiresAt).Exact + "."
	}
	return p.writeSecret(c, "settings/keys", secretView{"The new secret of “" + k.Name + "”", secret, hint, "settings/keys", "API keys"})
}

// askRevokeKey asks before a secret of a key is revoked.
func (p *Pages) askRevokeKey(c *site.Call) error {
	k, err := p.key(c)
	if err != nil {
		return err
	}
	ask := site.Confirmation{Title: "Revoke", Question: "Revoke this key?", About: k.Name, Says: []string{"Within five seconds, every process refuses programs that use this secret. It cannot be undone."},
		Facts: []site.Fact{{Name: "Scope", Text: site.StatusWord(k.Scope)}, {Name: "Fingerprint", Text: k.Fingerprint, Code: true}, {Name: "Made", When: k.Made},
			{Name: "Last used", Text: "never", When: k.Used}, {Name: "Ends", When: k.Ends}},
		Keep: "Keep the key", Back: "settings/keys/" + url.PathEscape(k.Fingerprint), Do: "Revoke the key"}
	switch {
	case k.Setting:
		ask.Says = append(ask.Says, "It comes from the setting SCHOOLBELL_API_KEY, and comes back when a process that still has the setting starts.")
	case k.Replaced.ISO != "":
		ask.Says = append(ask.Says, "The secret that has replaced it works on.")
	}
	return p.site.Confirm(c, "settings", []site.Crumb{toSettings, toKeys, {Name: k.Name, Path: ask.Back}}, ask)
}

func (p *Pages) revokeKey(c *site.Call) error {
	if _, err := p.cfg.Keys.Revoke(c.Ctx(), c.R.PathValue("id")); err != nil {
		return err
	}
	return c.Redirect("settings/keys?done=revoked")
}
