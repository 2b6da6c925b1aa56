// Package preview tells what would happen if an event were created: who would get it and who would not, what it would cost, and
// what its messages would look like. It walks the audience by the code that sends, and stores nothing.
package preview
