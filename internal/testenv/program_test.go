package testenv

import (
	"strings"
	"syscall"
	"testing"

	"schoolbell/bullmq/testproc"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	t.Run("a program is signalled and stops cleanly", testProgramStop)
	t.Run("the exit code of a program is reported", testProgramExit)
}

func testProgramStop(t *testing.T) {
	t.Parallel()
	p := StartProgram(t, ProgramOptions{Dir: t.TempDir(), Env: []string{"GREETING=good morning"}},
		"/bin/sh", "-c", `trap 'echo bye; exit 0' TERM; echo "$GREETING" from $$; while :; do sleep 0.05; done`)
	p.Await("good morning from ")
	p.Signal(syscall.SIGSTOP)
	p.Signal(syscall.SIGCONT)
	p.Stop()
	if out := p.Output(); !strings.HasSuffix(out, "bye\n") {
		t.Errorf("output %q does not end with bye: the program was not stopped in good order", out)
	}
	p.Kill() // does nothing to a program that has ended
}

func testProgramExit(t *testing.T) {
	t.Parallel()
	p := StartProgram(t, ProgramOptions{Dir: t.TempDir(), Env: []string{"CODE=7"}, Bare: true}, "/bin/sh", "-c", `echo "home is ${HOME:-none}"; exit $CODE`)
	if code := p.Exit(testproc.StartTimeout); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	if out := p.Output(); out != "home is none\n" {
		t.Errorf("output %q: the environment is not bare", out)
	}
	killed := StartProgram(t, ProgramOptions{Dir: t.TempDir()}, "/bin/sh", "-c", "kill -9 $$")
	if code := killed.Exit(testproc.StartTimeout); code != -1 {
		t.Errorf("exit code %d of a killed program, want -1", code)
	}
}
