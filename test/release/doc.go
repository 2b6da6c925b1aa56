// Package release tests what is published with a release beside the program: the check for
// known vulnerabilities and the software bill of materials.
package release
