package cli_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"schoolbell/internal/cli"
	"schoolbell/internal/testenv"
)

// beMain is set in processes that are to be the program instead of the tests, so
// that scripts run what was just built, race detector included.
const beMain = "SCHOOLBELL_TEST_BE_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beMain) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(cli.Run(ctx, cli.Process{Args: os.Args[1:], Env: os.Environ(), Version: "v0.0.0-test", In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	testenv.Main(m)
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			bin := filepath.Join(env.WorkDir, ".bin")
			if err := os.Mkdir(bin, 0o700); err != nil {
				return err
			}
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv(beMain, "1")
			env.Setenv("PORT", strconv.Itoa(testenv.FreePort(t)))
			env.Setenv("DEAD", strconv.Itoa(testenv.FreePort(t))) // nobody listens there
			return os.Symlink(exe, filepath.Join(bin, "schoolbell"))
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits,
			"lives": lives,
			"saves": saves,
		},
	})
}

// exits runs a program and looks at its exit code: exits 2 schoolbell --bad.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code program [args...]")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// saves stores what the group of an expression matches in the last output in a variable: saves EVENT '"id":"([^"]+)"'.
func saves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: saves NAME expression")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("the output has no %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// lives waits until the server at an address lives: lives 127.0.0.1:8080.
func lives(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lives host:port")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.Now().Add(patience)
	for {
		resp, err := client.Get("http://" + args[0] + "/livez")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s does not live: %v", args[0], err)
		}
		<-time.After(10 * time.Millisecond)
	}
}
