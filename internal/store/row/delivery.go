package row

// LookEvents is how many events are looked at for deliveries to a person, at most, for a page of them: each costs one lookup
// a channel.
const LookEvents = 1_000
