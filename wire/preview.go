package wire

import "schoolbell"

// EventPreview is what would happen if an event were created now.
type EventPreview struct {
	Category  schoolbell.Category `json:"category"`
	Lane      schoolbell.Lane     `json:"lane"`
	People    int                 `json:"people" doc:"People whom the audience selects."`
	Messages  int                 `json:"messages" doc:"Messages on all channels."`
	LeftOut   int                 `json:"left_out" doc:"People who get no message on any channel."`
	Channels  []PreviewedChannel  `json:"channels" doc:"In the order of the event."`
	Languages []PreviewedLanguage `json:"languages" doc:"Languages of the people who get a message, the most frequent first."`
	SMS       *PreviewedSMS       `json:"sms,omitempty" doc:"What the text messages take, if the event goes out by text message."`
	Held      *PreviewedHeld      `json:"held,omitempty" doc:"People whose messages wait for the end of their quiet hours, if there are any."`
	Finish    *PreviewedFinish    `json:"finish,omitempty" doc:"When the last message is sent, if a limit or quiet hours decide it."`
	Shown     []PreviewedMessage  `json:"shown" doc:"One message of each channel that anybody gets, in the order of the event."`
}

// PreviewedChannel counts what one channel would carry. Messages and LeftOut add up to the people.
type PreviewedChannel struct {
	Channel  schoolbell.Channel `json:"channel"`
	Messages int                `json:"messages"`
	LeftOut  int                `json:"left_out" doc:"People who get no message on the channel."`
	Reasons  []PreviewedReason  `json:"reasons" doc:"Why they get none, the most frequent first."`
	Finish   *PreviewedFinish   `json:"finish,omitempty" doc:"When its last message is sent, if the channel has a limit."`
}

// PreviewedHeld are people whose messages wait for the end of their quiet hours. The inbox does not wait.
type PreviewedHeld struct {
	People int  `json:"people"`
	Until  Time `json:"until" doc:"When the last of them gets the message."`
}

// PreviewedFinish is when the last message is sent: not earlier, because of a limit, and later if the provider is slower than that.
type PreviewedFinish struct {
	At        Time   `json:"at"`
	Seconds   int    `json:"seconds" doc:"From the start of the event."`
	LimitedBy string `json:"limited_by" doc:"What decides it." example:"email rate 8/s"`
	Waiting   int    `json:"waiting,omitempty" doc:"About how many messages of other events wait before it, which are counted in."`
}

// PreviewedReason is why some people get no message on a channel.
type PreviewedReason struct {
	Reason   string       `json:"reason" doc:"As in the deliveries of an event." example:"no_address"`
	People   int          `json:"people"`
	Examples []PersonName `json:"examples" doc:"Up to five of them."`
}

// PersonName names a user.
type PersonName struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// PreviewedLanguage is a language that people read.
type PreviewedLanguage struct {
	Language string `json:"language" doc:"Language tag without region; that of the school for people without a locale." example:"es"`
	People   int    `json:"people"`
	Missing  bool   `json:"missing,omitempty" doc:"The event has no text in this language: they get that of the event, in the language of the school."`
}

// PreviewedSMS is what text messages take.
type PreviewedSMS struct {
	Segments  int                 `json:"segments" doc:"Segments of all text messages."`
	Lengths   []PreviewedSegments `json:"lengths" doc:"Text messages by their number of segments, the shortest first."`
	Amount    float64             `json:"amount,omitempty" doc:"Price of the segments; missing without SMS_PRICE."`
	Currency  string              `json:"currency,omitempty" example:"EUR"`
	Estimated bool                `json:"estimated,omitempty" doc:"Only the first of the text messages were written, because they differ from person to person and are many. The others are taken to be as long on average."`
}

// PreviewedSegments counts the text messages of one length.
type PreviewedSegments struct {
	Segments int `json:"segments"`
	Messages int `json:"messages"`
}

// PreviewedMessage is a message as one person would get it. Links in it lead nowhere.
type PreviewedMessage struct {
	Channel  schoolbell.Channel `json:"channel"`
	User     string             `json:"user" doc:"Id of the person who would get it, or of the one who was asked for."`
	LeftOut  string             `json:"left_out,omitempty" doc:"Why the person who was asked for would not get it: a reason as in those of the channel, or not_in_audience."`
	Locale   string             `json:"locale" doc:"Language of the message."`
	Subject  string             `json:"subject,omitempty"`
	HTML     string             `json:"html,omitempty"`
	Text     string             `json:"text"`
	Segments int                `json:"segments,omitempty" doc:"Of a text message."`
	Template *PreviewedTemplate `json:"template,omitempty" doc:"What the message is made from. Items of the inbox are made without one."`
}

// PreviewedTemplate names a template of the channel of a message.
type PreviewedTemplate struct {
	Category schoolbell.Category `json:"category"`
	Locale   string              `json:"locale"`
	Version  int64               `json:"version" doc:"0 is the standard template."`
}
