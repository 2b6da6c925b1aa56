// Package cli is the program's commands: it reads the settings, starts what package
// app puts together and says what happened. Only this package and main know that
// there is a terminal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"schoolbell"
	"schoolbell/internal/app"
	"schoolbell/internal/config"
)

// Process is what a command gets from the system. Nothing else is read or
// written but what the settings name.
type Process struct {
	Args    []string // without the program's name
	Env     []string // as os.Environ
	In      io.Reader
	Out     io.Writer // what was asked for
	Err     io.Writer // logs, progress, errors
	Version string    // empty: from the build's own information

	// System holds the system's files, where limits of the process are found; nil if they
	// are not to be obeyed.
	System fs.FS
}

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // invalid arguments or settings; nothing was done
)

// grammar is the command line.
type grammar struct {
	EnvFile string `name:"env-file" default:".env" placeholder:"FILE" help:"File to read settings from. Flags and the environment take precedence."`

	Serve   serveCmd        `cmd:"" group:"run" help:"Run the API, and also the workers if the queues are in this process."`
	Worker  workerCmd       `cmd:"" group:"run" help:"Run workers on the queues in Redis."`
	Demo    demoCmd         `cmd:"" group:"run" help:"Send an event to thousands of generated people and count what arrived."`
	Event   eventCmd        `cmd:"" group:"use" help:"Create events and follow their delivery."`
	User    userCmd         `cmd:"" group:"use" help:"Import and show people."`
	School  schoolCmd       `cmd:"" name:"settings" group:"use" help:"Show and change the settings of the school."`
	Words   templateCmd     `cmd:"" name:"template" group:"use" help:"Show and change the templates of messages."`
	Queue   queueCmd        `cmd:"" group:"use" help:"Inspect and manage the queues."`
	Refuse  suppressionCmd  `cmd:"" name:"suppression" group:"use" help:"List, add and remove addresses to which nothing is sent."`
	Webhook webhookCmd      `cmd:"" group:"use" help:"Tell URLs of other programs what happens."`
	Audit   auditCmd        `cmd:"" group:"use" help:"List who changed what, newest first."`
	Staff   staffCmd        `cmd:"" group:"care" help:"Add, list, change and remove accounts of people who work with the panel."`
	Key     keyCmd          `cmd:"" group:"care" help:"Create, list, rotate and revoke API keys in the ledger."`
	Channel channelCmd      `cmd:"" group:"care" help:"Test a channel with one real message."`
	Push    pushCmd         `cmd:"" group:"care" help:"Make keys for Web Push."`
	Migrate migrateCmd      `cmd:"" group:"care" help:"Migrate the ledger's schema to this version of the program."`
	Backup  backupCmd       `cmd:"" group:"care" help:"Back up a ledger in SQLite, also while it is in use."`
	Restore restoreCmd      `cmd:"" group:"care" help:"Put a backup in the place of a ledger in SQLite. Open events that may have been sent are held."`
	Mark    markRestoredCmd `cmd:"" name:"mark-restored" group:"care" help:"Declare that the ledger was restored from a copy: hold all open events that may have been sent."`
	Config  configCmd       `cmd:"" group:"care" help:"Print the settings in effect, with secrets hidden."`
	Doctor  doctorCmd       `cmd:"" group:"care" help:"Check settings and dependencies, and suggest fixes."`
	Fake    fakeCmd         `cmd:"" group:"care" help:"Run a server that speaks as a provider of messages does, to try a channel without an account."`
	Version versionCmd      `cmd:"" group:"care" help:"Print the version."`
}

// command is a command of the grammar, with its arguments and flags.
type command interface {
	// Run does what the command is for, and returns soon after ctx ends.
	Run(ctx context.Context, a *program) error
}

// program is one run of the program.
type program struct {
	Process
	flags   []string // on the command line
	envFile string
	style   style
}

// Run runs the command that p names and returns the exit code: 0 when it did
// what was asked, 1 when it failed, 2 when arguments or settings are wrong. It
// returns soon after ctx ends, having stopped everything it started.
func Run(ctx context.Context, p Process) int {
	app.MuteRedis()
	a := &program{Process: p, style: styleOf(p)}
	named, code := a.parse()
	if named == nil {
		return code
	}
	if err := named.Run(ctx, a); err != nil {
		return a.fail(ctx, err)
	}
	return exitOK
}

// parse returns the command that the command line names, or nil and the exit code if there is nothing left to do. It keeps
// nothing of the parser, which is larger than much of what a server has in memory.
func (a *program) parse() (named command, code int) {
	if i := slices.IndexFunc(a.Args, func(arg string) bool { return !utf8.ValidString(arg) }); i >= 0 {
		// The parser would silently replace the invalid bytes.
		a.complain("argument %d is not valid UTF-8: %s", i+1, a.Args[i])
		return nil, exitUsage
	}
	var g grammar
	shown := false // help was printed instead of anything else
	parser, err := kong.New(&g, options(a.Process, &shown)...)
	if err != nil {
		panic(fmt.Sprintf("cli: the grammar is broken: %v", err))
	}
	args := a.Args
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	switch {
	case shown && len(a.Args) == 0:
		return nil, exitUsage
	case shown:
		return nil, exitOK
	case err != nil:
		return nil, a.refuse(err)
	}
	a.envFile = g.EnvFile
	for _, part := range parsed.Path {
		if part.Flag != nil && !part.Resolved {
			a.flags = append(a.flags, part.Flag.Name)
		}
	}
	return parsed.Selected().Target.Addr().Interface().(command), exitOK
}

func options(p Process, shown *bool) []kong.Option {
	groups := kong.Groups{"run": "Run", "use": "Use a running server", "care": "Administer"}
	for _, g := range config.Groups() {
		groups[g[0]] = g[1]
	}
	return []kong.Option{
		kong.Name("schoolbell"),
		kong.Description("Schoolbell sends a school's notifications, in the app and by email."),
		kong.Writers(p.Out, p.Err),
		kong.Exit(func(int) { *shown = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, NoExpandSubcommands: false, WrapUpperBound: 110}),
		kong.ValueFormatter(helpOf),
		kong.NamedMapper("ms", durationMapper("ms")),
		kong.NamedMapper("s", durationMapper("s")),
		kong.Vars{"school_settings": schoolSettingNames(), "webhook_types": typeList(schoolbell.WebhookTypes())},
		groups,
	}
}

// helpOf is the help of a flag, with the setting's name in the environment and its default.
func helpOf(v *kong.Value) string {
	env, _, _ := strings.Cut(v.Tag.Get("setting"), ",")
	var notes []string
	if env != "" {
		notes = append(notes, env)
	}
	if v.HasDefault && v.Default != "" && !v.IsBool() {
		notes = append(notes, "default "+v.Default)
	}
	if len(notes) == 0 {
		return v.Help
	}
	return fmt.Sprintf("%s (%s)", strings.TrimSuffix(v.Help, "."), strings.Join(notes, ", "))
}

// durationMapper reads a flag as the setting of the same name is read.
func durationMapper(unit string) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		var text string
		if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
			return err
		}
		d, err := config.ParseDuration(text, unit)
		if err != nil {
			return fmt.Errorf("%q %w", text, err)
		}
		target.SetInt(int64(d))
		return nil
	})
}

// load fills target, the command's settings, from flags, environment and .env
// and checks them. All faults are reported together.
func (a *program) load(target config.Target) error {
	_, err := config.Load(target, a.sources())
	faults := schoolbell.FaultsOf(err)
	for _, f := range schoolbell.FaultsOf(target.Check()) {
		// What could not even be read was reported already.
		if !slices.ContainsFunc(faults, func(g *schoolbell.Error) bool { return g.Field == f.Field }) {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return &settingsError{faults: faults}
	}
	return nil
}

func (a *program) sources() config.Sources {
	return config.Sources{Env: a.Env, EnvFile: a.envFile, Must: a.flagged("env-file"), Flagged: a.flagged}
}

// warnOfFiles names the files with secrets or people's data that other users of the
// machine may read.
func (a *program) warnOfFiles(cfg *config.Core, log *slog.Logger) {
	for _, path := range config.Exposed(a.sources()) {
		log.Warn("other users of this machine can read a file with secrets", "file", path, "fix", "chmod 600 "+path)
	}
	open := cfg.OpenToOthers()
	if len(open) > 0 {
		log.Warn("other users of this machine can read the data folder", "open", open, "fix", "chmod 700 "+cfg.General.DataDir)
	}
}

// limitMemory makes Go obey the memory limit of the process.
func (a *program) limitMemory(log *slog.Logger) {
	if a.System == nil {
		return
	}
	explicit := ""
	for _, pair := range a.Env {
		if text, ok := strings.CutPrefix(pair, "GOMEMLIMIT="); ok {
			explicit = text
		}
	}
	app.LimitMemory(a.System, explicit, log)
}

// flagged tells whether a flag stands on the command line.
func (a *program) flagged(name string) bool { return slices.Contains(a.flags, name) }

// interrupted reports that a command ended because its context did.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err())
}
