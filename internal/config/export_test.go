package config

// SetSecretMounts changes where secrets are mounted for readers that have no choice.
func SetSecretMounts(dirs ...string) (restore func()) {
	before := secretMounts
	secretMounts = dirs
	return func() { secretMounts = before }
}

// SecretMounts are where secrets are mounted.
func SecretMounts() []string { return secretMounts }
