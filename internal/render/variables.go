package render

import "schoolbell"

// variables are the names in the order in which people are shown them. Those of entries stand within {{#each}}.
var variables = []schoolbell.TemplateVariable{
	{Name: "user.name", Meaning: "name of the recipient"},
	{Name: "event.title", Meaning: "title, in the language of the message"},
	{Name: "event.body", Meaning: "text; in HTML its paragraphs and links"},
	{Name: "event.summary", Meaning: "the text in one line"},
	{Name: "event.location", Meaning: "place"},
	{Name: "event.when", Meaning: "date and time in the recipient's time zone"},
	{Name: "event.date", Meaning: "the date alone"},
	{Name: "event.time", Meaning: "the time alone"},
	{Name: "event.students", Meaning: "students it is about, unless the title names them"},
	{Name: "students", Meaning: "students it is about", List: true},
	{Name: "name", Within: "students", Meaning: "name of the student"},
	{Name: "data.reason", Meaning: "what the event says under a key, such as reason"},
	{Name: "items", Meaning: "what a digest tells", List: true},
	{Name: "item.title", Within: "items", Meaning: "title"},
	{Name: "item.label", Within: "items", Meaning: "category"},
	{Name: "item.when", Within: "items", Meaning: "date and time"},
	{Name: "item.location", Within: "items", Meaning: "place"},
	{Name: "item.details", Within: "items", Meaning: "when and where"},
	{Name: "item.summary", Within: "items", Meaning: "the text in one line"},
	{Name: "item.students", Within: "items", Meaning: "students it is about"},
	{Name: "item.link", Within: "items", Meaning: "the page of the message"},
	{Name: "school.name", Meaning: "name of the school"},
	{Name: "school.signature", Meaning: "signature of the school"},
	{Name: "link", Meaning: "the page of the message"},
	{Name: "preferences", Meaning: "where the recipient chooses what comes"},
	{Name: "unsubscribe", Meaning: "where the recipient ends emails like it"},
}

// parts are what templates of emails may include.
var parts = []schoolbell.TemplateVariable{
	{Name: "heading", Meaning: "HTML: kind of message and title"},
	{Name: "details", Meaning: "time and place"},
	{Name: "students", Meaning: "the students, each with the reason"},
	{Name: "items", Meaning: "the items of a digest"},
	{Name: "button", Meaning: "HTML: a button that opens the message"},
	{Name: "signature", Meaning: "text: the signature"},
	{Name: "link", Meaning: "text: the link to the message"},
}

// Variables returns the names that can have a value in the messages of a category, and then, for emails, the parts.
func (r *Renderer) Variables(category schoolbell.Category, channel schoolbell.Channel) (list []schoolbell.TemplateVariable) {
	digest := category == schoolbell.CategoryDigest
	for _, v := range variables {
		if ofDigests := v.Name == "items" || v.Within == "items"; ofDigests && !digest || digest && ofEvents[v.Name] {
			continue
		}
		v.Write = "{{" + v.Name + "}}"
		if v.List {
			v.Write = "{{#each " + v.Name + "}}…{{/each}}"
		}
		list = append(list, v)
	}
	if channel != schoolbell.ChannelEmail {
		return list
	}
	for _, v := range parts {
		if v.Name != "items" || digest {
			v.Write, v.Part = "{{> "+v.Name+"}}", true
			list = append(list, v)
		}
	}
	return list
}

// ofEvents are the names that have no value in digests.
var ofEvents = map[string]bool{"event.location": true, "event.when": true, "event.date": true, "event.time": true, "event.students": true,
	"students": true, "name": true, "data.reason": true}
