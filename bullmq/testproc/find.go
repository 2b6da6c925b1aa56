package testproc

import (
	"os/exec"
	"path/filepath"
)

// Find returns the path of the first of names that is installed: in PATH, or in
// one of the extra folders, which may be patterns. Later matches of a pattern win:
// they are newer versions.
func Find(names, folders []string) (string, error) {
	for _, name := range names {
		if p, err := exec.LookPath(name); err == nil {
			return filepath.Abs(p)
		}
		for _, folder := range folders {
			found, err := filepath.Glob(filepath.Join(folder, name))
			if err == nil && len(found) > 0 {
				return found[len(found)-1], nil
			}
		}
	}
	return "", exec.ErrNotFound
}
