package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"schoolbell"
	"schoolbell/internal/config"
)

// load fills a Config from an environment and the text of a .env file.
func load(t *testing.T, dotenv string, env ...string) (*config.Config, error) {
	t.Helper()
	return loadWith(t, dotenv, nil, env...)
}

func loadWith(t *testing.T, dotenv string, flagged map[string]bool, env ...string) (*config.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte(dotenv), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &config.Config{}
	if flagged["http-addr"] {
		c.HTTP.Addr = "flag:1"
	}
	_, err := config.Load(c, config.Sources{Env: env, EnvFile: file, Flagged: func(name string) bool { return flagged[name] }})
	return c, err
}

// fields are the names that the faults in err blame.
func fields(t *testing.T, err error) []string {
	t.Helper()
	var out []string
	if err == nil {
		return nil
	}
	var faults schoolbell.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("not Faults: %v", err)
	}
	for _, f := range faults {
		out = append(out, f.Field)
	}
	return out
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		dotenv string
		env    []string
		flag   bool
		want   string
		origin config.Origin
	}{
		{"the default when nothing is set", "", nil, false, "127.0.0.1:8080", config.FromDefault},
		{".env wins over the default", "HTTP_ADDR=dot:1", nil, false, "dot:1", config.FromDotEnv},
		{"the environment wins over .env", "HTTP_ADDR=dot:1", []string{"HTTP_ADDR=env:1"}, false, "env:1", config.FromEnv},
		{"a flag wins over all", "HTTP_ADDR=dot:1", []string{"HTTP_ADDR=env:1"}, true, "flag:1", config.FromFlag},
		{"an empty value is not set", "HTTP_ADDR=dot:1", []string{"HTTP_ADDR="}, false, "dot:1", config.FromDotEnv},
		{"quotes and comments in .env", "# where\nexport HTTP_ADDR=\"dot:2\" # here\n", nil, false, "dot:2", config.FromDotEnv},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadWith(t, c.dotenv, map[string]bool{"http-addr": c.flag}, c.env...)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.HTTP.Addr != c.want {
				t.Errorf("HTTP_ADDR is %q, want %q", cfg.HTTP.Addr, c.want)
			}
			for _, l := range cfg.InForce() {
				if l.Setting.Env == "HTTP_ADDR" && (l.Origin != c.origin || l.Value != c.want) {
					t.Errorf("in effect is %q from %s, want %q from %s", l.Value, l.Origin, c.want, c.origin)
				}
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	q := c.Queue
	q.WorkerName = ""
	want := config.Queue{
		Prefix: "bull", Name: "event-notifications", Producers: true, Households: true, BatchSize: 100, Concurrency: 5, UrgentShare: 20, Retries: 3, Backoff: 5 * time.Second,
		RateMax: 10, RateDuration: time.Second, KeepCompleted: 24 * time.Hour, KeepFailed: 168 * time.Hour,
		ShutdownGrace: 30 * time.Second,
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("queue settings (-want +got):\n%s", diff)
	}
	if c.HTTP.PublicURL != "http://127.0.0.1:8080" || c.Redis.External() || c.SQLitePath() != "data/schoolbell.db" {
		t.Errorf("PUBLIC_URL %q, external Redis %v, ledger %q", c.HTTP.PublicURL, c.Redis.External(), c.SQLitePath())
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	t.Run("durations, lists and flags are parsed", testLoadValues)
	t.Run("all unreadable values are reported at once", testLoadUnreadable)
	t.Run("a faulty env file is reported by line and not quoted", testLoadFaultyEnvFile)
}

func testLoadValues(t *testing.T) {
	t.Parallel()
	c, err := load(t, "",
		"JOB_BACKOFF=2500", "RATE_LIMIT_DURATION=0", "KEEP_COMPLETED=3600", "KEEP_FAILED=48h", "SHUTDOWN_GRACE=90", "METRICS=off",
		"REDIS_CLUSTER_NODES=a:1, b:2,", "WORKER_CONCURRENCY=10", "SMTP_USER=ada", "EMAIL_FROM=x@school.example")
	if err != nil {
		t.Fatal(err)
	}
	if c.Queue.Backoff != 2500*time.Millisecond || c.Queue.RateDuration != 0 || c.Queue.KeepCompleted != time.Hour || c.Queue.KeepFailed != 48*time.Hour ||
		c.Queue.ShutdownGrace != 90*time.Second || c.HTTP.Metrics || c.Queue.Concurrency != 10 || c.Email.Username != "ada" {
		t.Errorf("read %+v %+v", c.Queue, c.General)
	}
	if diff := cmp.Diff([]string{"a:1", "b:2"}, c.Redis.ClusterNodes); diff != "" {
		t.Error(diff)
	}
}

func testLoadUnreadable(t *testing.T) {
	t.Parallel()
	_, err := load(t, "BATCH_SIZE=many\nSMTP_PASSWORD=a\nSMTP_PASSWORD_FILE=b\n",
		"JOB_BACKOFF=soon", "METRICS=perhaps", "KEEP_FAILED=99999999999999", "SCHOOLBELL_API_KEY_FILE=/does/not/exist")
	want := []string{"SCHOOLBELL_API_KEY", "METRICS", "BATCH_SIZE", "JOB_BACKOFF", "KEEP_FAILED", "SMTP_PASSWORD"}
	if diff := cmp.Diff(sorted(want), sorted(fields(t, err))); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
}

// Public keys that are not of ECDSA on P-256.
const (
	p384Key    = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEp0q59PQnRZKb+51gHO2clHzsNhOxuU1KgxcHzYNflf47/pts1eCwuja9lP2+rxysOtE9kI8+MWWCMP22KBAOhwsuBh2cofryAODEwYqLE4HhTKoHOKnWf3+/GqfReges"
	ed25519Key = "MCowBQYDK2VwAyEAxg9I/CTMNM2o+TYICdBr4OgK6SX5xFxHk6Cf8rDfui8="
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  []string
		want []string
	}{
		{"text messages without what they need", []string{"TWILIO_ACCOUNT_SID=AC0123456789abcdef0123456789abcdef"}, []string{"TWILIO_AUTH_TOKEN", "TWILIO_FROM"}},
		{"text messages without an account", []string{"TWILIO_AUTH_TOKEN=x"}, []string{"TWILIO_ACCOUNT_SID"}},
		{"a Twilio account that is none", []string{"TWILIO_ACCOUNT_SID=AC1", "TWILIO_API_KEY=SK1", "TWILIO_FROM=a name that is too long", "TWILIO_URL=http://api.twilio.com", "SMS_MAX_SEGMENTS=11", "SMS_REGION=gb", "SMS_CONNECTIONS=0", "SMS_RATE=-1", "SMS_MONTHLY_LIMIT=2"},
			[]string{"SMS_CONNECTIONS", "SMS_MAX_SEGMENTS", "SMS_MONTHLY_LIMIT", "SMS_RATE", "SMS_REGION", "TWILIO_ACCOUNT_SID", "TWILIO_API_KEY", "TWILIO_FROM", "TWILIO_URL"}},
		{"an API key without its secret", []string{"TWILIO_ACCOUNT_SID=AC0123456789abcdef0123456789abcdef", "TWILIO_API_KEY=SK0123456789abcdef0123456789abcdef", "TWILIO_FROM=+442079460018"},
			[]string{"TWILIO_API_SECRET"}},
		{"an identity provider without what it needs", []string{"OIDC_ISSUER=http://id.example", "OIDC_NAME=two\nlines"}, []string{"OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_ISSUER", "OIDC_NAME", "PUBLIC_URL"}},
		{"a client of no identity provider", []string{"OIDC_CLIENT_ID=x"}, []string{"OIDC_ISSUER"}},
		{"the identity provider of everybody", []string{"OIDC_ISSUER=https://login.microsoftonline.com/common/v2.0", "OIDC_CLIENT_ID=x", "OIDC_CLIENT_SECRET=y", "PUBLIC_URL=https://bell.example"}, []string{"OIDC_ISSUER"}},
		{"numbers out of range", []string{"BATCH_SIZE=0", "WORKER_CONCURRENCY=-1", "JOB_RETRIES=99", "REDIS_PORT=70000", "EMAIL_CONNECTIONS=0", "EMAIL_RATE=-1", "EMAIL_DAILY_LIMIT=-1", "URGENT_SHARE=91"},
			[]string{"BATCH_SIZE", "EMAIL_CONNECTIONS", "EMAIL_DAILY_LIMIT", "EMAIL_RATE", "JOB_RETRIES", "REDIS_PORT", "URGENT_SHARE", "WORKER_CONCURRENCY"}},
		{"times out of range", []string{"SHUTDOWN_GRACE=0", "JOB_BACKOFF=-1", "RATE_LIMIT_DURATION=2h", "SMTP_TIMEOUT=1"},
			[]string{"JOB_BACKOFF", "RATE_LIMIT_DURATION", "SHUTDOWN_GRACE", "SMTP_TIMEOUT"}},
		{"words that mean nothing", []string{"LOG_LEVEL=loud", "LOG_FORMAT=xml", "SMTP_TLS=maybe", "SCHOOL_LANGUAGE=english please", "SCHOOL_TIMEZONE=Mars/Olympus"},
			[]string{"LOG_FORMAT", "LOG_LEVEL", "SCHOOL_LANGUAGE", "SCHOOL_TIMEZONE", "SMTP_TLS"}},
		{"addresses", []string{"HTTP_ADDR=8080", "METRICS_ADDR=x", "PPROF_ADDR=6060", "PUBLIC_URL=school", "REDIS_CLUSTER_NODES=a", "MAIL_CATCHER_ADDR=-"},
			[]string{"HTTP_ADDR", "MAIL_CATCHER_ADDR", "METRICS_ADDR", "PPROF_ADDR", "PUBLIC_URL", "REDIS_CLUSTER_NODES"}},
		{"pages of messages without an event", []string{"MESSAGE_URL=https://app.example/messages"}, []string{"MESSAGE_URL"}},
		{"pages of messages with another place", []string{"MESSAGE_URL=https://app.example/{event}/{name}"}, []string{"MESSAGE_URL"}},
		{"pages of messages on a host of the event", []string{"MESSAGE_URL=https://{event}.app.example/"}, []string{"MESSAGE_URL"}},
		{"pages of messages that are scripts", []string{"MESSAGE_URL=javascript:alert({event})"}, []string{"MESSAGE_URL"}},
		{"profiles for other machines", []string{"PPROF_ADDR=:6060"}, []string{"PPROF_ADDR"}},
		{"a database that is not PostgreSQL", []string{"DATABASE_URL=mysql://h/x"}, []string{"DATABASE_URL"}},
		{"two ways to name Redis", []string{"REDIS_HOST=a", "REDIS_URL=rediss://b"}, []string{"REDIS_HOST", "REDIS_URL"}},
		{"an unencrypted Redis URL to another machine", []string{"REDIS_URL=redis://b"}, []string{"REDIS_URL"}},
		{"weak keys: few characters", []string{"SCHOOLBELL_API_KEY=aaaaaaaaaaaaaaaaaaaaaaaa"}, []string{"SCHOOLBELL_API_KEY"}},
		{"weak keys: common words", []string{"SCHOOLBELL_API_KEY=changeme-changeme-changeme"}, []string{"SCHOOLBELL_API_KEY"}},
		{"a Redis URL of another kind", []string{"REDIS_URL=http://b"}, []string{"REDIS_URL"}},
		{"Sentinels without a master", []string{"REDIS_SENTINEL_ADDRS=a:1"}, []string{"REDIS_SENTINEL_MASTER"}},
		{"a numbered database in a Cluster", []string{"REDIS_CLUSTER_NODES=a:1", "REDIS_DB=3"}, []string{"REDIS_DB"}},
		{"an authority that is not there", []string{"REDIS_TLS_CA=/does/not/exist"}, []string{"REDIS_TLS_CA"}},
		{"retention out of range", []string{"RETAIN_EVENTS=23h", "RETAIN_AUDIT=36501d", "RETAIN_INBOX=-24h", "RETAIN_IDEMPOTENCY=59m", "RETAIN_DELIVERIES=0", "RETAIN_RECEIPTS=forever"},
			[]string{"RETAIN_AUDIT", "RETAIN_EVENTS", "RETAIN_IDEMPOTENCY", "RETAIN_INBOX"}},
		{"SMTP without a sender", []string{"SMTP_HOST=mail.example"}, []string{"EMAIL_FROM"}},
		{"SMTP with a port in its name", []string{"SMTP_HOST=mail.example:25", "EMAIL_FROM=a@b.example"}, []string{"SMTP_HOST"}},
		{"a user name without password", []string{"SMTP_HOST=m.example", "EMAIL_FROM=a@b.example", "SMTP_USERNAME=u"}, []string{"SMTP_PASSWORD"}},
		{"names nobody sees or that reorder text", []string{"SCHOOL_NAME=\u200b\u2800", "WORKER_NAME=x\u202ey"}, []string{"SCHOOL_NAME", "WORKER_NAME"}},
		{"senders at domains that cannot be", []string{"EMAIL_FROM=a@xn--0.example", "EMAIL_REPLY_TO=a@ab\u05d0.example"}, []string{"EMAIL_FROM", "EMAIL_REPLY_TO"}},
		{"names of senders that reorder text", []string{"EMAIL_FROM==?utf-8?B?4oCueA==?= <a@b.example>", "EMAIL_REPLY_TO=\"\u202ex\" <a@b.example>"}, []string{"EMAIL_FROM", "EMAIL_REPLY_TO"}},
		{"senders that are no addresses", []string{"EMAIL_FROM=school", "EMAIL_REPLY_TO=<a@b.example"}, []string{"EMAIL_FROM", "EMAIL_REPLY_TO"}},
		{"all origins", []string{"CORS_ORIGINS=*"}, []string{"CORS_ORIGINS"}},
		{"what is no origin", []string{"CORS_ORIGINS=app.school.example"}, []string{"CORS_ORIGINS"}},
		{"an origin with a path", []string{"CORS_ORIGINS=https://app.school.example/"}, []string{"CORS_ORIGINS"}},
		{"an origin with a default port", []string{"CORS_ORIGINS=https://app.school.example:443"}, []string{"CORS_ORIGINS"}},
		{"an origin with a wildcard", []string{"CORS_ORIGINS=https://*.school.example"}, []string{"CORS_ORIGINS"}},
		{"an origin in capitals", []string{"CORS_ORIGINS=https://App.school.example"}, []string{"CORS_ORIGINS"}},
		{"the origin of files", []string{"CORS_ORIGINS=null"}, []string{"CORS_ORIGINS"}},
		{"bounces without a secret", []string{"BOUNCE_DOMAIN=bounces.hill.example"}, []string{"RECEIPT_SECRET"}},
		{"bounces without a domain", []string{"BOUNCE_ADDR=:2525", "RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b8c7d"}, []string{"BOUNCE_DOMAIN"}},
		{"bounces at no domain and no address", []string{"BOUNCE_DOMAIN=bounces@hill.example", "BOUNCE_ADDR=2525", "RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b8c7d"}, []string{"BOUNCE_ADDR", "BOUNCE_DOMAIN"}},
		{"DKIM without a key and a selector", []string{"DKIM_DOMAIN=hill.example"}, []string{"DKIM_KEY", "DKIM_SELECTOR"}},
		{"DKIM without a domain", []string{"DKIM_KEY=x"}, []string{"DKIM_DOMAIN"}},
		{"a domain and a selector that DNS cannot have", []string{"DKIM_DOMAIN=hill example", "DKIM_SELECTOR=a b", "DKIM_KEY=x"}, []string{"DKIM_DOMAIN", "DKIM_KEY", "DKIM_SELECTOR"}},
		{"a receipt secret that is easy to guess", []string{"RECEIPT_SECRET=aaaaaaaaaaaaaaaaaaaaaaaa"}, []string{"RECEIPT_SECRET"}},
		{"a receipt secret that no URL can have", []string{"RECEIPT_SECRET=3c1d/8e7f6a5b4c3d2e1f?0a9b8c7d"}, []string{"RECEIPT_SECRET"}},
		{"providers without a receipt secret", []string{"SES_TOPIC_ARNS=arn:aws:sns:eu-west-1:123456789012:bell"}, []string{"RECEIPT_SECRET"}},
		{"topics that are none", []string{"RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b", "SES_TOPIC_ARNS=bell"}, []string{"SES_TOPIC_ARNS"}},
		{"a webhook key that is no key", []string{"RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b", "SENDGRID_WEBHOOK_KEY=AAAA"}, []string{"SENDGRID_WEBHOOK_KEY"}},
		{"a webhook key on another curve", []string{"RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b", "SENDGRID_WEBHOOK_KEY=" + p384Key}, []string{"SENDGRID_WEBHOOK_KEY"}},
		{"a webhook key of another kind", []string{"RECEIPT_SECRET=3c1d8e7f6a5b4c3d2e1f0a9b", "SENDGRID_WEBHOOK_KEY=" + ed25519Key}, []string{"SENDGRID_WEBHOOK_KEY"}},
		{"a short key", []string{"SCHOOLBELL_API_KEY=secret"}, []string{"SCHOOLBELL_API_KEY"}},
		{"words of queues", []string{"QUEUE_NAME=a:b", "QUEUE_PREFIX=a b"}, []string{"QUEUE_NAME", "QUEUE_PREFIX"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := load(t, "", c.env...)
			if err != nil {
				t.Fatal(err)
			}
			err = cfg.Check()
			if diff := cmp.Diff(c.want, sorted(fields(t, err))); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
			if schoolbell.CodeOf(err) != schoolbell.CodeInvalid {
				t.Errorf("code %s", schoolbell.CodeOf(err))
			}
		})
	}
}

func TestCORSOrigins(t *testing.T) {
	t.Parallel()
	c, err := load(t, "", "CORS_ORIGINS=https://app.school.example, http://localhost:5173,http://[::1]:3000,https://xn--bcher-kva.example:8443")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil || len(c.HTTP.CORSOrigins) != 4 {
		t.Errorf("%q: %v", c.HTTP.CORSOrigins, err)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	t.Run("a secret is read from its file", testSecretsFromFile)
	t.Run("a secret is never printed", testSecretsNeverPrinted)
}

func testSecretsFromFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("pa ss\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, "SMTP_PASSWORD=from dotenv", "SMTP_PASSWORD_FILE="+file)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Email.Password.Reveal(); got != "pa ss" {
		t.Errorf("password %q", got)
	}
	for _, l := range c.InForce() {
		if l.Setting.Env == "SMTP_PASSWORD" && l.Origin != "env (SMTP_PASSWORD_FILE)" {
			t.Errorf("origin %q", l.Origin)
		}
	}
}

func testSecretsNeverPrinted(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2"
	var env []string
	for _, s := range config.Settings() {
		if s.Secret {
			env = append(env, s.Env+"="+secret)
		}
	}
	if len(env) < 5 {
		t.Fatalf("only %d secrets", len(env))
	}
	c, err := load(t, "", env...)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("settings", "config", c, "key", c.HTTP.APIKey)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %v %v %s %s", c, *c, *c, c.InForce(), c.Check(), c.LedgerName(), c.Redis.Name()) + log.String() + string(asJSON)
	if strings.Contains(shown, secret) {
		at := strings.Index(shown, secret)
		t.Errorf("the secret shows: …%s", shown[max(0, at-100):at+len(secret)])
	}
}

func testLoadFaultyEnvFile(t *testing.T) {
	t.Parallel()
	_, err := load(t, "HTTP_ADDR=a:1\nSMTP PASSWORD hunter2\n")
	if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error %v", err)
	}
	_, err = config.Load(&config.Config{}, config.Sources{EnvFile: filepath.Join(t.TempDir(), "gone"), Must: true})
	if err == nil {
		t.Error("a file that must exist does not, and nobody says so")
	}
	if _, err = config.Load(&config.Config{}, config.Sources{EnvFile: filepath.Join(t.TempDir(), "gone")}); err != nil {
		t.Errorf("a missing .env is a fault: %v", err)
	}
}

func TestRedisClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		env    []string
		kind   string
		prefix string
		place  string
	}{
		{"none", nil, "", "bull", "in this process"},
		{"host", []string{"REDIS_HOST=r.example"}, "single", "bull", "r.example:6379"},
		{"port alone is localhost", []string{"REDIS_PORT=6390"}, "single", "bull", "localhost:6390"},
		{"URL", []string{"REDIS_URL=rediss://u:pw@r.example:6380/2"}, "single", "bull", "r.example:6380/2"},
		{"Sentinel", []string{"REDIS_SENTINEL_ADDRS=s:1,s:2", "REDIS_SENTINEL_MASTER=m"}, "single", "bull", "m of Sentinel s:1,s:2"},
		{"Cluster", []string{"REDIS_CLUSTER_NODES=c:1"}, "cluster", "{bull}", "Cluster c:1"},
		{"Cluster with a tag of its own", []string{"REDIS_CLUSTER_NODES=c:1", "QUEUE_PREFIX={a}:b"}, "cluster", "{a}:b", "Cluster c:1"},
		{"Cluster with an empty tag", []string{"REDIS_CLUSTER_NODES=c:1", "QUEUE_PREFIX={}x"}, "cluster", "{{}x}", "Cluster c:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg, err := load(t, "", c.env...)
			if err != nil {
				t.Fatal(err)
			}
			if cfg.KeyPrefix() != c.prefix || cfg.Redis.Name() != c.place {
				t.Errorf("prefix %q at %q, want %q at %q", cfg.KeyPrefix(), cfg.Redis.Name(), c.prefix, c.place)
			}
			client, err := cfg.Redis.Client()
			if (err != nil) != (c.kind == "") {
				t.Fatalf("client error %v", err)
			}
			if err != nil {
				return
			}
			defer client.Close()
			switch client := client.(type) {
			case *redis.Client:
				if c.kind != "single" {
					t.Error("a client of one server")
				}
				if c.name == "URL" {
					o := client.Options()
					if o.TLSConfig == nil || o.Username != "u" || o.Password != "pw" || o.DB != 2 || o.Addr != "r.example:6380" {
						t.Errorf("options %+v", o)
					}
				}
			case *redis.ClusterClient:
				if c.kind != "cluster" {
					t.Error("a client of a cluster")
				}
			}
		})
	}
}

func TestSMTPDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, tls string
		mode      string
		port      int
	}{
		{"mail.example", "", "starttls", 587},
		{"127.0.0.1", "", "none", 25},
		{"localhost", "starttls", "starttls", 587},
		{"mail.example", "implicit", "implicit", 465},
	} {
		cfg, err := load(t, "", "SMTP_HOST="+c.host, "SMTP_TLS="+c.tls)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Email.TLS != c.mode || cfg.Email.Port != c.port {
			t.Errorf("%s %q: %s on %d, want %s on %d", c.host, c.tls, cfg.Email.TLS, cfg.Email.Port, c.mode, c.port)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range config.Settings() {
		if s.Env == "" || s.Flag == "" || s.Help == "" || s.Group == "" || seen[s.Env] || seen[s.Flag] {
			t.Errorf("incomplete or doubled: %+v", s)
		}
		seen[s.Env], seen[s.Flag] = true, true
	}
}

func TestClient(t *testing.T) {
	t.Parallel()
	t.Run("the default URL is the server on this machine", testClientURL)
	t.Run("a discovered env file cannot redirect the key", testClientEnvFile)
}

func testClientURL(t *testing.T) {
	t.Parallel()
	for env, want := range map[string]string{
		"":                                    "http://127.0.0.1:8080",
		"HTTP_ADDR=0.0.0.0:90":                "http://127.0.0.1:90",
		"HTTP_ADDR=:91":                       "http://127.0.0.1:91",
		"SCHOOLBELL_URL=https://bell.example": "https://bell.example",
	} {
		var c config.Client
		if _, err := config.Load(&c, config.Sources{Env: []string{env}}); err != nil {
			t.Fatal(err)
		}
		if c.URL != want || c.Check() != nil {
			t.Errorf("%s: %s, want %s", env, c.URL, want)
		}
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTLSDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  []string
		tls  bool
	}{
		{"this machine", []string{"REDIS_HOST=localhost"}, false},
		{"an address of this machine", []string{"REDIS_HOST=127.0.0.2"}, false},
		{"another machine", []string{"REDIS_HOST=redis.example"}, true},
		{"another machine on a private network", []string{"REDIS_HOST=redis.example", "REDIS_TLS=false"}, false},
		{"this machine, asked for", []string{"REDIS_HOST=localhost", "REDIS_TLS=true"}, true},
		{"a Cluster with one node elsewhere", []string{"REDIS_CLUSTER_NODES=127.0.0.1:1,redis.example:2"}, true},
		{"a Cluster of this machine", []string{"REDIS_CLUSTER_NODES=127.0.0.1:1,127.0.0.1:2"}, false},
		{"Sentinels elsewhere", []string{"REDIS_SENTINEL_ADDRS=s.example:1", "REDIS_SENTINEL_MASTER=m"}, true},
	} {
		cfg, err := load(t, "", c.env...)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Redis.TLS != c.tls {
			t.Errorf("%s: TLS %v, want %v", c.name, cfg.Redis.TLS, c.tls)
		}
	}
	for dsn, want := range map[string]string{
		"postgres://u:p@127.0.0.1/db":                               "",
		"postgres://u:p@localhost:5433/db":                          "",
		"postgres://u:p@/db?host=/var/run/postgresql":               "",
		"postgres://u:p@db.example/db":                              "sslmode=verify-full",
		"postgres://u:p@db.example/db?application_name=x":           "sslmode=verify-full",
		"postgres://u:p@127.0.0.1,db.example/db":                    "sslmode=verify-full",
		"postgres://u:p@db.example/db?sslmode=":                     "sslmode=verify-full",
		"postgres://u:sslmode=p@db.example/db":                      "sslmode=verify-full",
		"postgres://u:p@db.example/db?application_name=sslmode%3Dx": "sslmode=verify-full",
		"postgres://u:service=p@db.example/db":                      "sslmode=verify-full",
		"postgres://u:p@db.example/db?sslmode=disable":              "sslmode=disable",
		"postgres://u:p@db.example/db?sslmode=prefer":               "sslmode=prefer",
		"postgres://u:p@db.example/db?sslmode=require":              "sslmode=require",
	} {
		cfg, err := load(t, "", "DATABASE_URL="+dsn)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cfg.Ledger.DSN()
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
		}
		_, query, _ := strings.Cut(got, "?")
		if want == "" && got != dsn || !strings.Contains(query, want) || strings.Count(query, "sslmode=") > 1 {
			t.Errorf("%s becomes %s, want %s", dsn, got, want)
		}
	}
}

func testClientEnvFile(t *testing.T) {
	t.Parallel()
	const key = "SCHOOLBELL_API_KEY=4f9c2e7ab1d05836e9f7"
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("4f9c2e7ab1d05836e9f7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dotenv, env, want string
		named                   bool
	}{
		{"address and permission to send unencrypted", "HTTP_ADDR=evil.test:80\nSCHOOLBELL_INSECURE=true", key, "the key does not", false},
		{"an address of this machine", "HTTP_ADDR=127.0.0.1:9", key, "the key does not", false},
		{"permission to send unencrypted alone", "SCHOOLBELL_INSECURE=true", key + " SCHOOLBELL_URL=http://a.test", "unencrypted", false},
		{"a file as the key", "SCHOOLBELL_URL=https://evil.test\nSCHOOLBELL_API_KEY_FILE=" + secret, "", "may not name a file", false},
		{"a name below localhost", "", key + " SCHOOLBELL_URL=http://a.localhost", "unencrypted", false},
		{"address and key", "HTTP_ADDR=127.0.0.1:9\n" + key, "", "", false},
		{"an address that the environment overrides", "HTTP_ADDR=evil.test:80", key + " SCHOOLBELL_URL=https://a.test", "", false},
		{"a named file", "HTTP_ADDR=a.test:80\nSCHOOLBELL_INSECURE=true\nSCHOOLBELL_API_KEY_FILE=" + secret, "", "", true},
		{"a URL with a user", "", key + " SCHOOLBELL_URL=http://hidden:hidden@a.test", "http://a.test would", false},
	} {
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(c.dotenv), 0o600); err != nil {
			t.Fatal(err)
		}
		var client config.Client
		if _, err := config.Load(&client, config.Sources{Env: strings.Fields(c.env), EnvFile: path, Must: c.named}); err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(client.Check())
		if c.want == "" && got != "<nil>" || !strings.Contains(got, c.want) || strings.Contains(got, "hidden") {
			t.Errorf("%s: %s, want %q", c.name, got, c.want)
		}
	}
}

// Docker mounts secrets as files of root with mode 0444, which nobody in the container
// can change. It is not parallel: it changes where they are.
func TestSecretMounts(t *testing.T) {
	if got := config.SecretMounts(); !slices.Contains(got, "/run/secrets/") {
		t.Errorf("secrets are mounted in %v", got)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "smtp")
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	src := config.Sources{Env: []string{"SMTP_PASSWORD_FILE=" + path}}
	if got := config.Exposed(src); !slices.Equal(got, []string{path}) {
		t.Errorf("elsewhere: %v", got)
	}
	defer config.SetSecretMounts(dir + "/")()
	if got := config.Exposed(src); len(got) > 0 {
		t.Errorf("mounted: %v", got)
	}
}

func TestMessageURL(t *testing.T) {
	t.Parallel()
	for template, want := range map[string]string{
		"":                                     "",
		"https://app.example/messages/{event}": "https://app.example/messages/e-1",
		"http://app.example/?m={event}&u={user}#top":   "http://app.example/?m=e-1&u=a%20b%2F%26c%3F#top",
		"https://app.example/{user}/messages/{event}/": "https://app.example/a%20b%2F%26c%3F/messages/e-1/",
	} {
		c, err := load(t, "", "MESSAGE_URL="+template)
		if err != nil || c.Check() != nil {
			t.Fatal(err, c.Check())
		}
		if got := c.HTTP.MessageLink("e-1", "a b/&c?"); got != want {
			t.Errorf("%s gives %s, want %s", template, got, want)
		}
	}
}
