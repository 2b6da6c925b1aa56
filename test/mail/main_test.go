package mail

import (
	"testing"

	"schoolbell/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }
