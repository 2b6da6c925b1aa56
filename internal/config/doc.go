// Package config holds every setting of the program in one struct, [Config],
// whose tags are at once the flags, the names in the environment, the defaults
// and the help. Commands that need only a part of them take [Core] or [Staff].
//
// The tag setting is the name in the environment; further names, separated by
// commas, are accepted too. type:"ms" and type:"s" are durations whose plain
// numbers are milliseconds or seconds.
//
// [Load] fills the struct. The precedence is flags, environment, .env file, defaults.
// An empty value counts as not set. A setting
// that is a secret may also come from a file: SMTP_PASSWORD_FILE names a file
// that holds the value of SMTP_PASSWORD. [Target.Check] reports every fault at
// once, each under the setting's name in the environment.
package config
