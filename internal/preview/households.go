package preview

import (
	"slices"

	"schoolbell"
	"schoolbell/internal/ledger"
)

// households are the messages that go to addresses which several people have.
type households map[householdMessage]bool

// householdMessage is one of them, by what it says and where it goes.
type householdMessage struct {
	channel     schoolbell.Channel
	fingerprint int64
}

// mergeHouseholds moves the deliveries of a chunk that would follow another one into groups of their own, as workers would do.
func (t *tally) mergeHouseholds(chunk *ledger.PreviewChunk) {
	followers := map[schoolbell.Channel][]int{}
	for _, x := range chunk.Shared {
		pending := slices.ContainsFunc(chunk.Groups, func(g ledger.PreviewGroup) bool {
			return g.Channel == x.Channel && g.Status == schoolbell.DeliveryPending && slices.Contains(g.People, x.Person)
		})
		if pending && t.follows(x, chunk.People[x.Person]) {
			followers[x.Channel] = append(followers[x.Channel], x.Person)
		}
	}
	for i := range chunk.Groups {
		g := &chunk.Groups[i]
		if of := followers[g.Channel]; g.Status == schoolbell.DeliveryPending && len(of) > 0 {
			g.People = slices.DeleteFunc(g.People, func(person int) bool { return slices.Contains(of, person) })
		}
	}
	for _, channel := range t.ev.Channels {
		if of := followers[channel]; len(of) > 0 {
			chunk.Groups = append(chunk.Groups, ledger.PreviewGroup{Channel: channel, Status: schoolbell.DeliverySuppressed, Reason: schoolbell.ReasonSameAddress, People: of})
		}
	}
}

// follows reports whether the same message goes to the address for somebody else already. One that cannot be written follows none.
func (t *tally) follows(x ledger.PreviewShared, to ledger.Recipient) bool {
	m, err := t.cfg.Renderer.Render(t.ev, x.Channel, to.Unlinked())
	if err != nil {
		return false
	}
	m.To = x.Address
	key := householdMessage{channel: x.Channel, fingerprint: m.Fingerprint()}
	if t.shared[key] {
		return true
	}
	t.shared[key] = true
	return false
}
