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
	os.Exit(cli.Run(untilSignal(), cli.Process{
		Args: os.Args[1:], Env: os.Environ(), Version: version,
		System: os.DirFS("/"), In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
	}))
}

// untilSignal returns a context that ends with the first signal to stop. A second signal ends
// the process at once: its default action is back before anyone learns of the first.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}
