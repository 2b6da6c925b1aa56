package wire

// ChannelTest asks for one real message: to a user, or to an address.
type ChannelTest struct {
	UserID  string `json:"user_id,omitempty" doc:"A user with an address on the channel."`
	Address string `json:"address,omitempty" doc:"An email address or an international phone number. A user is made for it, whom the caller deletes afterwards."`
}

// ChannelTested says where to see what happens to the message: in the deliveries of its event.
type ChannelTested struct {
	EventID   string `json:"event_id"`
	UserID    string `json:"user_id"`
	Temporary bool   `json:"temporary" doc:"The user was made for the test."`
	Receipts  bool   `json:"receipts" doc:"The provider tells by receipts what happens to a message that it has accepted."`
}
