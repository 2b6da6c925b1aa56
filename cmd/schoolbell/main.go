// Schoolbell tells a school's people about its events: API, workers and tools in one program.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones also where the system has none

	"schoolbell/internal/cli"
)

// version is set by the linker; when empty, the build's own information is used.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from now on a second signal ends the process at once
	os.Exit(cli.Run(ctx, cli.Process{
		Args: os.Args[1:], Env: os.Environ(), Version: version,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
	}))
}
