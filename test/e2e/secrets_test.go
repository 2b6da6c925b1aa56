package e2e

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"schoolbell"
	"schoolbell/client"
	"schoolbell/internal/fake"
	"schoolbell/internal/testenv"
	"schoolbell/test/system"
	"schoolbell/wire"
)

// planted are the secrets that must be nowhere. Those that are empty are keys that secretsOf makes.
var planted = map[string]string{
	"SCHOOLBELL_API_KEY": system.Key, "DATABASE_URL": "Pq7-planted-database", "REDIS_URL": "Rr8-planted-redis-url", "REDIS_PASSWORD": "Rp9-planted-redis",
	"REDIS_SENTINEL_PASSWORD": "Rs2-planted-sentinel", "SMTP_PASSWORD": "Sm3-planted-smtp", "AWS_SECRET_ACCESS_KEY": "Aw4-planted-aws", "AWS_SESSION_TOKEN": "At5-planted-session",
	"SENDGRID_API_KEY": "SG.Sg6-planted-sendgrid", "TWILIO_AUTH_TOKEN": "Ta7-planted-twilio", "TWILIO_API_SECRET": "Ts8-planted-twilio-key",
	"DKIM_KEY": "", "PUSH_PRIVATE_KEY": "", "RECEIPT_SECRET": "Rc9-vQ4xT7kM2zW5-planted", "OIDC_CLIENT_SECRET": "Oc5-planted-identity",
}

// secretRow is a row of docs/settings.md, which another test compares with the program.
var secretRow = regexp.MustCompile("(?m)^\\| `([A-Z_]+)`.*\\*Secret\\.\\* \\|$")

func TestSecrets(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := secretRow.FindAllStringSubmatch(string(docs), -1)
	if len(rows) < 12 {
		t.Fatalf("docs/settings.md has %d secrets", len(rows))
	}
	for _, row := range rows {
		if _, ok := planted[row[1]]; !ok {
			t.Errorf("the secret %s is not planted", row[1])
		}
	}
	t.Run("providers that reject everything", testSecretsOfProviders)
	t.Run("a mail server that offers no password", testSecretsOfSMTP)
	t.Run("invalid settings", testSecretsInvalid)
}

// secretsOf returns the planted values as settings, with keys for push and DKIM.
func secretsOf(t *testing.T, names ...string) (settings []string, secrets []string) {
	t.Helper()
	var pair struct {
		Public  string `json:"public_key"`
		Private string `json:"private_key"`
	}
	r := system.Command(t, t.TempDir(), nil, "push", "keys", "--json")
	if err := json.Unmarshal([]byte(r.Out), &pair); err != nil {
		t.Fatalf("%v: %s", err, r.Err)
	}
	for _, name := range names {
		settings = append(settings, name+"="+planted[name])
	}
	settings = append(settings, "PUSH_PUBLIC_KEY="+pair.Public, "PUSH_PRIVATE_KEY="+pair.Private, "PUSH_SUBJECT=mailto:office@hill.example")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	settings = append(settings, "DKIM_DOMAIN=hill.example", "DKIM_SELECTOR=bell", "DKIM_KEY="+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	secrets = slices.DeleteFunc(slices.Collect(maps.Values(planted)), func(s string) bool { return s == "" })
	return settings, append(secrets, pair.Private, base64.StdEncoding.EncodeToString(der))
}

// tellsNone expects that a text has none of the secrets, also not as part of a URL.
func tellsNone(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	if text == "" {
		t.Errorf("%s is empty", where)
	}
	for _, secret := range secrets {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s tells a secret: …%s…", where, text[max(0, i-100):min(len(text), i+len(form)+30)])
				break
			}
		}
	}
}

// With keys that all providers reject, their requests, replies and faults go through every log and answer there is.
func testSecretsOfProviders(t *testing.T) {
	t.Parallel()
	ses, err := fake.NewSES(fake.SESOptions{})
	if err != nil {
		t.Fatal(err)
	}
	grid, err := fake.NewSendGrid(fake.SendGridOptions{})
	if err != nil {
		t.Fatal(err)
	}
	twilio, err := fake.NewTwilio(fake.TwilioOptions{})
	if err != nil {
		t.Fatal(err)
	}
	push, err := fake.NewPush(fake.PushOptions{Answer: func(fake.PushMessage) fake.PushAnswer { return fake.PushAnswer{Status: 403, Reason: "BadJwtToken"} }})
	if err != nil {
		t.Fatal(err)
	}
	play(t, ses)
	play(t, grid)
	play(t, twilio)
	play(t, push)
	settings, secrets := secretsOf(t, "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "SENDGRID_API_KEY", "TWILIO_AUTH_TOKEN", "TWILIO_API_SECRET", "RECEIPT_SECRET", "SMTP_PASSWORD")
	settings = append(settings, "LOG_LEVEL=debug", "EMAIL_FROM=office@hill.example", "EMAIL_PROVIDER=ses", "EMAIL_FALLBACK=sendgrid", "SES_ENDPOINT="+ses.URL(), "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=AKIAFAKE", "SES_TOPIC_ARNS="+snsTopic, "SNS_ENDPOINT="+ses.URL(), "SENDGRID_URL="+grid.URL(), "SENDGRID_WEBHOOK_KEY="+grid.WebhookKey(), "TWILIO_URL="+twilio.URL(),
		"TWILIO_ACCOUNT_SID=AC0123456789abcdef0123456789abcdef", "TWILIO_API_KEY=SK0123456789abcdef0123456789abcdef", "TWILIO_FROM=+15005550006",
		"PUSH_SERVICES="+strings.TrimPrefix(push.URL(), "http://"), "OUTBOUND_ALLOW=127.0.0.1/32")
	secretsStay(t, settings, secrets, func(s *system.School) {
		browser, err := push.Subscribe()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Client.AddDevice(t.Context(), "anne", wire.DeviceRequest{Endpoint: browser.Endpoint, Keys: wire.DeviceKeys(browser.Keys)}); err != nil {
			t.Fatal(err)
		}
	}, []schoolbell.Channel{schoolbell.ChannelEmail, schoolbell.ChannelSMS, schoolbell.ChannelPush},
		"Amazon SES rejects all email", "SendGrid rejects all email", "Twilio rejects all text messages", "a push service refuses this program")
}

func testSecretsOfSMTP(t *testing.T) {
	t.Parallel()
	settings, secrets := secretsOf(t, "SMTP_PASSWORD", "RECEIPT_SECRET", "OIDC_CLIENT_SECRET")
	settings = append(settings, "OIDC_ISSUER=http://127.0.0.1:1", "OIDC_CLIENT_ID=bell", "PUBLIC_URL=http://127.0.0.1:1")
	host, port, _ := strings.Cut(system.NewMail(t).Addr(), ":")
	settings = append(settings, "LOG_LEVEL=debug", "EMAIL_FROM=office@hill.example", "SMTP_HOST="+host, "SMTP_PORT="+port, "SMTP_TLS=none", "SMTP_USERNAME=office", "JOB_BACKOFF=100ms")
	secretsStay(t, settings, secrets, func(*system.School) {}, []schoolbell.Channel{schoolbell.ChannelEmail}, "mail server rejects all mail")
}

// secretsStay runs a school whose messages fail until its worker has logged why, and looks for secrets wherever it writes.
func secretsStay(t *testing.T, settings, secrets []string, prepare func(s *system.School), channels []schoolbell.Channel, logged ...string) {
	t.Helper()
	redis := testenv.RedisServer(t, testenv.RedisOptions{Args: []string{"--user", "bell", "on", ">" + planted["REDIS_URL"], "~*", "&*", "+@all"}}).Addr
	database, err := url.Parse(testenv.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	database.User = url.UserPassword(database.User.Username(), planted["DATABASE_URL"])
	settings = append(settings, "REDIS_URL=redis://bell:"+planted["REDIS_URL"]+"@"+redis)
	s := system.New(t, system.Parts{Database: database.String(), Redis: redis, Settings: settings})
	serve, worker := s.Serve(), s.Worker("one")
	if _, _, err := s.Client.PutUser(t.Context(), schoolbell.User{ID: "anne", Name: "Anne", Email: "anne@people.hill.example", Phone: "+31612345678", Roles: []schoolbell.Role{schoolbell.RoleParent}}); err != nil {
		t.Fatal(err)
	}
	prepare(s)
	ev, err := s.Client.CreateEvent(t.Context(), wire.NewEvent{Title: "A", Body: "B", Channels: channels, Audience: schoolbell.Audience{Selector: schoolbell.Selector{Users: []string{"anne"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range logged {
		worker.Await(line)
	}
	for _, source := range []string{"ses", "sendgrid", "twilio"} {
		address := s.URL + "/v1/receipts/" + source + "/" + planted["RECEIPT_SECRET"]
		tellsNone(t, "the answer to a receipt", ask(t, http.MethodPost, address, `[{"event":"delivered"}]`), secrets)
	}
	tellsNone(t, "config", s.Does("config"), secrets)
	doctor := s.Run(nil, "doctor")
	tellsNone(t, "doctor", doctor.Out+doctor.Err, secrets)
	for _, path := range openPaths(t, s) {
		tellsNone(t, path, ask(t, http.MethodGet, s.URL+path, ""), secrets)
	}
	page, err := s.Client.Deliveries(t.Context(), ev.ID, schoolbell.DeliveryFilter{}, client.Page{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		t.Fatal(err)
	}
	tellsNone(t, "the deliveries", string(text), secrets)
	worker.Stop()
	serve.Stop()
	tellsNone(t, "the log of the server", serve.Output(), secrets)
	tellsNone(t, "the log of the worker", worker.Output(), secrets)
}

// openPaths are the paths of the API that can be read and name nothing.
func openPaths(t *testing.T, s *system.School) (paths []string) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	_, text, _ := strings.Cut(ask(t, http.MethodGet, s.URL+"/openapi.json", ""), "\r\n{") // after the header
	if err := json.Unmarshal([]byte("{"+text), &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		if methods["get"] != nil && !strings.Contains(path, "{") {
			paths = append(paths, path)
		}
	}
	if len(paths) < 8 {
		t.Errorf("only %v can be read", paths)
	}
	return paths
}

// ask makes a request with the key of the school, and returns the answer with its header.
func ask(t *testing.T, method, address, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+system.Key)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var head strings.Builder
	_ = res.Header.Write(&head) // a Builder takes everything
	return res.Status + head.String() + string(text)
}

// A setting that is refused is named, and its value is not shown.
func testSecretsInvalid(t *testing.T) {
	t.Parallel()
	for name, secret := range planted {
		if secret == "" {
			secret = "Pk1-planted-key"
		}
		bad := secret + " \x01"
		r := system.Command(t, t.TempDir(), []string{name + "=" + bad, "REDIS_SENTINELS=127.0.0.1:1", "TWILIO_ACCOUNT_SID=AC", "EMAIL_PROVIDER=sendgrid"}, "config")
		tellsNone(t, "config with an invalid "+name, r.Out+r.Err, []string{secret})
	}
}
