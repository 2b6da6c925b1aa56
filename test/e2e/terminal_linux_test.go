package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"schoolbell/internal/testenv"
)

func TestDemoProgressBar(t *testing.T) {
	t.Parallel()
	screen, terminal := openTerminal(t, 100, 30)
	cmd := exec.CommandContext(t.Context(), testenv.Binary(t), "demo", "--users", "2000")
	cmd.Dir, cmd.Env = t.TempDir(), []string{"TERM=xterm-256color", "TMPDIR=" + t.TempDir()}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()                 // the program has its own
	shown, err := io.ReadAll(screen) // ends with EIO once the program has closed the terminal
	if err := cmd.Wait(); err != nil {
		t.Errorf("demo: %v", err)
	}
	text := string(shown)
	for _, want := range []string{"Reaching everyone", "░", "█", "100%", "(2000/2000", "Everyone was reached, nobody twice."} {
		if !strings.Contains(text, want) {
			t.Errorf("the screen does not show %q (%v):\n%q", want, err, text)
		}
	}
}

// openTerminal makes a pseudo terminal of a size: what a program writes to the
// terminal is read from the screen.
func openTerminal(t *testing.T, columns, rows uint16) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	var number, unlocked uint32
	size := struct{ rows, columns, x, y uint16 }{rows: rows, columns: columns}
	control(t, screen, syscall.TIOCGPTN, unsafe.Pointer(&number))
	control(t, screen, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	control(t, screen, syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() }) // a second time where the test got far
	return screen, terminal
}

func control(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed syscall.Errno
	if err := conn.Control(func(fd uintptr) {
		_, _, failed = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	}); err != nil || failed != 0 {
		t.Fatalf("set the terminal up: %v, %v", err, failed)
	}
}
