// Package template is the language in which messages are written: text with names in double braces.
//
//	{{user.name}}                        the value of a name, escaped for the place where it stands
//	{{user.name|families}}               the text after the bar if the value is empty
//	{{#if event.location}}…{{else}}…{{/if}}
//	{{#each students}}{{name}}{{/each}}
//	{{> button}}                         a part that the layout has
//	{{! a comment }}
//	{{{{                                 two braces
//
// The language has no expressions, no functions and no recursion, and loops go over short lists only. So the work and
// the size of a message are bounded by those of its template. See [Limits].
//
// [Parse] checks a template against the names that there are. [Template.Bind] fills in what all messages of an
// event share and returns the few places that differ between recipients, so that most of a message is made, and later
// encoded, once.
package template
