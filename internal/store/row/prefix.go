package row

// AfterPrefix returns a text that is after every text with this beginning and before all greater ones, in the order of bytes.
func AfterPrefix(prefix string) string { return prefix + "\U0010FFFF" }
