package config

import "time"

// Core is what every command that opens the ledger needs.
type Core struct {
	General General `embed:"" group:"general"`
	Ledger  Ledger  `embed:"" group:"ledger"`

	origins map[string]Origin
}

// Staff is what the commands for staff accounts need: they print links to the server.
type Staff struct {
	Core `embed:""`
	HTTP Address `embed:"" group:"http"`
}

// Config is every setting of a process that serves or works.
type Config struct {
	Core      `embed:""`
	School    School    `embed:"" group:"school"`
	HTTP      HTTP      `embed:"" group:"http"`
	OIDC      OIDC      `embed:"" group:"oidc"`
	Redis     Redis     `embed:"" group:"redis"`
	Queue     Queue     `embed:"" group:"queue"`
	Email     Email     `embed:"" group:"email"`
	DKIM      DKIM      `embed:"" group:"email"`
	SES       SES       `embed:"" group:"email"`
	SendGrid  SendGrid  `embed:"" group:"email"`
	SMS       SMS       `embed:"" group:"sms"`
	Push      Push      `embed:"" group:"push"`
	Receipts  Receipts  `embed:"" group:"receipts"`
	Retention Retention `embed:"" group:"retention"`
}

// General settings are those of every process.
type General struct {
	DataDir   string `name:"data-dir" setting:"DATA_DIR" default:"./data" placeholder:"DIR" help:"Folder of the SQLite ledger."`
	LogLevel  string `name:"log-level" setting:"LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"Log level: debug, info, warn or error."`
	LogFormat string `name:"log-format" setting:"LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"Log format: text or json."`
}

// Ledger settings choose the SQL database.
type Ledger struct {
	DatabaseURL Secret        `name:"database-url" setting:"DATABASE_URL" placeholder:"URL" help:"PostgreSQL database, such as postgres://user:password@host/name. SQLite in DATA_DIR if empty."`
	Connections int           `name:"database-connections" setting:"DATABASE_CONNECTIONS" default:"20" placeholder:"N" help:"Maximum PostgreSQL connections of a process."`
	HoldAge     time.Duration `name:"restore-hold-age" setting:"RESTORE_HOLD_AGE" default:"0" type:"s" placeholder:"TIME" help:"In a ledger restored from a backup, open events that were due longer ago than this are held. A plain number is seconds."`
}

// School settings are the first of the school: the ledger keeps them, and they change there.
type School struct {
	Name     string `name:"school-name" setting:"SCHOOL_NAME" default:"Our school" placeholder:"NAME" help:"First name of the school, as shown in messages. Change it with schoolbell settings set."`
	Language string `name:"school-language" setting:"SCHOOL_LANGUAGE" default:"en" placeholder:"TAG" help:"First language of the school's messages, such as en or pt-BR. Change it with schoolbell settings set."`
	Timezone string `name:"school-timezone" setting:"SCHOOL_TIMEZONE" default:"UTC" placeholder:"ZONE" help:"First time zone of the school, such as Europe/London. Change it with schoolbell settings set."`
}

// Address is where the server is found.
type Address struct {
	Addr      string `name:"http-addr" setting:"HTTP_ADDR" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address the API listens on."`
	PublicURL string `name:"public-url" setting:"PUBLIC_URL" placeholder:"URL" help:"Public URL of this server, for links in messages. http:// (https:// with TLS_CERT) and HTTP_ADDR if empty."`
	TLSCert   string `name:"tls-cert" setting:"TLS_CERT" placeholder:"FILE" help:"PEM file of the server's certificate and its intermediate certificates. If set, HTTP_ADDR and METRICS_ADDR use TLS. A new file needs no restart."`
}

// HTTP settings are those of the API and of what other programs look at.
type HTTP struct {
	Address        `embed:""`
	TLSKey         string   `name:"tls-key" setting:"TLS_KEY" placeholder:"FILE" help:"PEM file of the key of TLS_CERT."`
	MessageURL     string   `name:"message-url" setting:"MESSAGE_URL" placeholder:"URL" help:"URL of your own page of a message, for links in messages, such as https://app.example/messages/{event}; {user} is the recipient. The message page of this server if empty."`
	APIKey         Secret   `name:"api-key" setting:"SCHOOLBELL_API_KEY" placeholder:"KEY" help:"API key of scope admin, stored as a digest. If empty, the first start creates a key and shows it in a terminal, or writes it to a file in DATA_DIR that the log names."`
	Metrics        bool     `name:"metrics" setting:"METRICS" default:"true" negatable:"" help:"Serve Prometheus metrics at /metrics."`
	Panel          bool     `name:"panel" setting:"PANEL" default:"true" negatable:"" help:"Serve the pages for the staff below /panel/."`
	RatePerKey     int      `name:"api-rate-per-key" setting:"API_RATE_PER_KEY" default:"100" placeholder:"N" help:"Requests per second of one API key, or of one user's tokens. Ten times as many may come at once. 0 means no limit."`
	RatePerAddress int      `name:"api-rate-per-address" setting:"API_RATE_PER_ADDRESS" default:"20" placeholder:"N" help:"Requests per second from one address without a valid key. Ten times as many may come at once. 0 means no limit."`
	TrustedProxies []string `name:"trusted-proxies" setting:"TRUSTED_PROXIES" placeholder:"ADDRESS" help:"Addresses or networks of reverse proxies that set X-Forwarded-For."`
	CORSOrigins    []string `name:"cors-origins" setting:"CORS_ORIGINS" placeholder:"ORIGIN" help:"Origins of web pages whose scripts may call the API, such as https://app.school.example. None if empty."`
	OutboundAllow  []string `name:"outbound-allow" setting:"OUTBOUND_ALLOW" placeholder:"NETWORK" help:"Networks, beside public addresses, that may be dialled at URLs that users have chosen, such as 127.0.0.1/32 for tests. Only there the URLs may begin with http://."`
	StreamsPerUser int      `name:"streams-per-user" setting:"STREAMS_PER_USER" default:"5" placeholder:"N" help:"Open live streams of one user's tokens. 0 means no limit."`
	StreamsPerKey  int      `name:"streams-per-key" setting:"STREAMS_PER_KEY" default:"200" placeholder:"N" help:"Open live streams of one API key and its user tokens. 0 means no limit."`
	StreamsMax     int      `name:"streams-max" setting:"STREAMS_MAX" default:"2000" placeholder:"N" help:"Open live streams of this process. A low limit of open files reduces it. 0 sets no limit of its own."`
	MetricsAddr    string   `name:"metrics-addr" setting:"METRICS_ADDR" placeholder:"HOST:PORT" help:"Address where a worker serves /livez, /readyz and /metrics. Off if empty."`
	PprofAddr      string   `name:"pprof-addr" setting:"PPROF_ADDR" placeholder:"HOST:PORT" help:"Loopback address where serve or a worker serves profiles for go tool pprof, without a key and without TLS. Off if empty."`
	PprofRemote    bool     `name:"pprof-remote" setting:"PPROF_REMOTE" default:"false" negatable:"" help:"Allow a PPROF_ADDR that other machines can reach, such as 0.0.0.0:6060 in a container."`
}

// Redis settings choose the server of the queues. With none of them set, the
// queues live in a Redis inside this process.
type Redis struct {
	URL              Secret   `name:"redis-url" setting:"REDIS_URL" placeholder:"URL" help:"Redis server, such as redis://user:password@host:6379/0, or rediss:// for TLS."`
	Host             string   `name:"redis-host" setting:"REDIS_HOST" placeholder:"HOST" help:"Redis host, instead of REDIS_URL."`
	Port             int      `name:"redis-port" setting:"REDIS_PORT" default:"6379" placeholder:"PORT" help:"Redis port. Without a host it means REDIS_HOST=localhost."`
	Username         string   `name:"redis-username" setting:"REDIS_USERNAME" placeholder:"NAME" help:"User name for Redis."`
	Password         Secret   `name:"redis-password" setting:"REDIS_PASSWORD" placeholder:"PASSWORD" help:"Password for Redis."`
	DB               int      `name:"redis-db" setting:"REDIS_DB" default:"0" placeholder:"N" help:"Redis database number."`
	TLS              bool     `name:"redis-tls" setting:"REDIS_TLS" negatable:"" help:"Use TLS for Redis, Sentinel and Cluster nodes. If empty, off on loopback and on elsewhere."`
	insecure         bool     // REDIS_TLS=false was said
	TLSCA            string   `name:"redis-tls-ca" setting:"REDIS_TLS_CA" placeholder:"FILE" help:"PEM file of the certificate authorities for Redis. The system's if empty."`
	ClusterNodes     []string `name:"redis-cluster-nodes" setting:"REDIS_CLUSTER_NODES" placeholder:"HOST:PORT" help:"Redis Cluster nodes to connect to first."`
	SentinelAddrs    []string `name:"redis-sentinel-addrs" setting:"REDIS_SENTINEL_ADDRS" placeholder:"HOST:PORT" help:"Addresses of the Redis Sentinels."`
	SentinelMaster   string   `name:"redis-sentinel-master" setting:"REDIS_SENTINEL_MASTER" placeholder:"NAME" help:"Name of the master that the Sentinels monitor."`
	SentinelUsername string   `name:"redis-sentinel-username" setting:"REDIS_SENTINEL_USERNAME" placeholder:"NAME" help:"User name for the Sentinels."`
	SentinelPassword Secret   `name:"redis-sentinel-password" setting:"REDIS_SENTINEL_PASSWORD" placeholder:"PASSWORD" help:"Password for the Sentinels."`
}

// Queue settings say how jobs are cut, run, retried and kept, and how long a process that ends waits for running work.
type Queue struct {
	Prefix        string        `name:"queue-prefix" setting:"QUEUE_PREFIX" default:"bull" placeholder:"PREFIX" help:"Prefix of all Redis keys. In a Redis Cluster it gets braces: {bull}."`
	Name          string        `name:"queue-name" setting:"QUEUE_NAME" default:"event-notifications" placeholder:"NAME" help:"Name of the event queue. The queues of channels add a suffix, such as -email, those of urgent events .urgent."`
	Producers     bool          `name:"queue-producers" setting:"QUEUE_PRODUCERS" default:"true" negatable:"" help:"Create an event for each job named event that another program adds to the event queues without an event_id. Other programs need only access to Redis for this."`
	Households    bool          `name:"households" setting:"HOUSEHOLDS" default:"true" negatable:"" help:"Send people who have the same email address or phone number one message, if what they would get reads the same."`
	BatchSize     int           `name:"batch-size" setting:"BATCH_SIZE" default:"100" placeholder:"N" help:"Deliveries in one job."`
	Concurrency   int           `name:"worker-concurrency" setting:"WORKER_CONCURRENCY" default:"5" placeholder:"N" help:"Jobs that a worker runs at the same time, per queue; the queues of events run four times as many. Normal queues run fewer, see URGENT_SHARE."`
	UrgentShare   int           `name:"urgent-share" setting:"URGENT_SHARE" default:"20" placeholder:"PERCENT" help:"Percentage of WORKER_CONCURRENCY and of the connections, rates and limits of each channel that normal events leave to urgent ones, 0 to 90."`
	WorkerName    string        `name:"worker-name" setting:"WORKER_NAME" placeholder:"NAME" help:"Name of this worker in lists and logs. Host name and process ID if empty."`
	Retries       int           `name:"job-retries" setting:"JOB_RETRIES" default:"3" placeholder:"N" help:"Retries after a failed first attempt."`
	Backoff       time.Duration `name:"job-backoff" setting:"JOB_BACKOFF" default:"5s" type:"ms" placeholder:"TIME" help:"Wait before the first retry. Each further wait is five times longer. A plain number is milliseconds."`
	RateMax       int           `name:"rate-limit-max" setting:"RATE_LIMIT_MAX" default:"10" placeholder:"N" help:"Normal events that all workers together start in RATE_LIMIT_DURATION. Urgent ones are not limited. 0 means no limit."`
	RateDuration  time.Duration `name:"rate-limit-duration" setting:"RATE_LIMIT_DURATION" default:"1s" type:"ms" placeholder:"TIME" help:"Period of RATE_LIMIT_MAX. 0 means no limit. A plain number is milliseconds."`
	KeepCompleted time.Duration `name:"keep-completed" setting:"KEEP_COMPLETED" default:"24h" type:"s" placeholder:"TIME" help:"How long completed jobs stay in Redis. A plain number is seconds."`
	KeepFailed    time.Duration `name:"keep-failed" setting:"KEEP_FAILED" default:"168h" type:"s" placeholder:"TIME" help:"How long failed jobs stay in Redis. A plain number is seconds."`
	ShutdownGrace time.Duration `name:"shutdown-grace" setting:"SHUTDOWN_GRACE" default:"30s" type:"s" placeholder:"TIME" help:"How long running work may continue after SIGTERM. A plain number is seconds."`
}

// Email settings choose how mail leaves. With EMAIL_PROVIDER=smtp and no SMTP_HOST, a mail catcher in
// this process takes it and nothing leaves; a worker of its own starts so only if
// MAIL_CATCHER_ADDR is set.
type Email struct {
	Provider    string        `name:"email-provider" setting:"EMAIL_PROVIDER" default:"smtp" placeholder:"NAME" help:"Provider of email: smtp, ses (Amazon SES) or sendgrid."`
	Fallback    string        `name:"email-fallback" setting:"EMAIL_FALLBACK" placeholder:"NAME" help:"Second provider, which sends while the first takes no email. None if empty."`
	Host        string        `name:"smtp-host" setting:"SMTP_HOST" placeholder:"HOST" help:"SMTP server. If empty, a mail catcher in this process captures all email."`
	Port        int           `name:"smtp-port" setting:"SMTP_PORT" default:"0" placeholder:"PORT" help:"SMTP port. 0 means 587, or 465 with SMTP_TLS=implicit, or 25 with SMTP_TLS=none."`
	Username    string        `name:"smtp-username" setting:"SMTP_USERNAME,SMTP_USER" placeholder:"NAME" help:"User name for the SMTP server."`
	Password    Secret        `name:"smtp-password" setting:"SMTP_PASSWORD,SMTP_PASS" placeholder:"PASSWORD" help:"Password for the SMTP server."`
	TLS         string        `name:"smtp-tls" setting:"SMTP_TLS" placeholder:"MODE" help:"starttls, implicit or none. If empty, none on loopback and starttls elsewhere."`
	From        string        `name:"email-from" setting:"EMAIL_FROM,SMTP_FROM" placeholder:"ADDRESS" help:"From address of all email, such as \"Hill School <office@hill.example>\". Required with SMTP_HOST, ses and sendgrid."`
	ReplyTo     string        `name:"email-reply-to" setting:"EMAIL_REPLY_TO,REPLY_TO" placeholder:"ADDRESS" help:"Reply-To address, if replies must not go to the From address."`
	Connections int           `name:"email-connections" setting:"EMAIL_CONNECTIONS" default:"20" placeholder:"N" help:"Maximum connections of a worker to each provider of email."`
	Rate        int           `name:"email-rate" setting:"EMAIL_RATE" default:"0" placeholder:"N" help:"Emails per second that all workers together send, with all attempts. 0 means no limit but that of the provider."`
	DailyLimit  int           `name:"email-daily-limit" setting:"EMAIL_DAILY_LIMIT" default:"0" placeholder:"N" help:"Emails that all workers together send in any 24 hours, with all attempts. 0 means no limit but that of the provider."`
	Timeout     time.Duration `name:"smtp-timeout" setting:"SMTP_TIMEOUT" default:"30s" type:"ms" placeholder:"TIME" help:"Timeout for each reply of the SMTP server, Amazon SES or SendGrid. A plain number is milliseconds."`
	CatcherAddr string        `name:"mail-catcher-addr" setting:"MAIL_CATCHER_ADDR" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Address of the mail catcher. Port 0 means any free port."`
}

// Push settings say how browsers are reached. The channel is off without the keys.
type Push struct {
	PublicKey   string   `name:"push-public-key" setting:"PUSH_PUBLIC_KEY" placeholder:"KEY" help:"Public key for Web Push, which browsers need to subscribe. If empty, there is no channel push. schoolbell push keys prints a new pair."`
	PrivateKey  Secret   `name:"push-private-key" setting:"PUSH_PRIVATE_KEY" placeholder:"KEY" help:"Private key of PUSH_PUBLIC_KEY. With another pair, all browsers must subscribe again."`
	Subject     string   `name:"push-subject" setting:"PUSH_SUBJECT" placeholder:"URL" help:"Contact for push services, such as mailto:office@hill.example or https://hill.example. Required with PUSH_PUBLIC_KEY."`
	Services    []string `name:"push-services" setting:"PUSH_SERVICES" default:"fcm.googleapis.com,updates.push.services.mozilla.com,*.push.services.mozilla.com,*.notify.windows.com,*.push.apple.com" placeholder:"HOST" help:"Hosts of push services that devices may use. *.push.example is every name below push.example, * is every host."`
	Connections int      `name:"push-connections" setting:"PUSH_CONNECTIONS" default:"20" placeholder:"N" help:"Maximum requests to push services at the same time, per worker."`
}

// Client is the settings of the commands that talk to a running server.
type Client struct {
	URL      string `name:"url" setting:"SCHOOLBELL_URL" placeholder:"URL" help:"URL of the server. http:// (https:// with TLS_CERT) and HTTP_ADDR if empty."`
	APIKey   Secret `name:"api-key" setting:"SCHOOLBELL_API_KEY" placeholder:"KEY" help:"API key to send."`
	Insecure bool   `name:"insecure" setting:"SCHOOLBELL_INSECURE" default:"false" help:"Allow sending the key over http:// to another machine."`

	origins  map[string]Origin
	envNamed bool   // the .env file was named on the command line
	urlFrom  string // the setting that URL follows from

	// Addr and TLSCert are not for flags: they only find the server of this machine.
	Addr    string `name:"http-addr" setting:"HTTP_ADDR" default:"127.0.0.1:8080" hidden:"" help:"Address the API listens on."`
	TLSCert string `name:"tls-cert" setting:"TLS_CERT" hidden:"" help:"Certificate of the server."`
}

// Groups titles the groups of settings, for help and lists, in their order.
func Groups() [][2]string {
	return [][2]string{
		{"general", "General"}, {"ledger", "Ledger"}, {"school", "First settings of the school"},
		{"http", "HTTP"}, {"oidc", "Sign-in of the staff at an identity provider"},
		{"redis", "Redis (if none is set, the queues are in this process)"},
		{"queue", "Queue and workers"}, {"email", "Email"}, {"sms", "Text messages (SMS), by Twilio"}, {"push", "Web Push"}, {"receipts", "Receipts"}, {"retention", "Retention"}, {"client", "Server"},
	}
}
