// Package deploy holds the files that run Schoolbell on a machine: the PM2
// configuration and the systemd units here, Dockerfile, compose.yaml and
// .env.example in the root folder. Its Go part is the tests that hold them to
// what the program understands.
package deploy
