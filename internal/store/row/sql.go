package row

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"schoolbell"
)

// SQL returns a statement with the values in place of the {names} in it:
//
//	{pending} … {expired}                  a delivery status, as the number in a row
//	{open}                                 the list of statuses that are not terminal
//	{in_app} {email} {sms}                 a channel, as its number
//	{outcome_delivered} …                  an outcome of a delivery, as the number in a row
//	{address_unverified} …                 the state of an address, as the number in a row
//	{usable}                               the list of states in which an address is used
//	{user_live} {user_gone} {user_awaited} the state of a user's row
//	{event_scheduled} … {event_cancelled}  an event status, as a string
//	{no_address} {opted_out} {in_digest}   a reason for a suppressed delivery, as a string
//	{same_address}                         the reason of a delivery that follows another one, as a string
//	{awaiting_receipt}                     the reason of a delivery that awaits a receipt, as a string
//	{off} {digest}                         a mode of a preference, as a string
//	{unacknowledged}                       the condition of a wave to those who have not acknowledged an event
//	{notice_cancelled}                     the notice of a wave that tells of a cancellation, as a string
//
// Lists have no parentheses, as in "status IN ({open})". The values become part of the text instead
// of parameters because the planner uses a partial index only if it sees them. SQL is for the initial
// values of package variables: it panics on a name that it does not know.
func SQL(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		value, ok := sqlValues[strings.Trim(found, "{}")]
		if !ok {
			panic(fmt.Sprintf("row: SQL has the unknown name %s", found))
		}
		return value
	})
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

var sqlValues = newSQLValues()

func newSQLValues() map[string]string {
	values := map[string]string{
		"user_live":    strconv.Itoa(UserLive),
		"user_gone":    strconv.Itoa(UserGone),
		"user_awaited": strconv.Itoa(UserAwaited),
		"no_address":   quote(schoolbell.ReasonNoAddress),
		"opted_out":    quote(schoolbell.ReasonOptedOut),
		"in_digest":    quote(schoolbell.ReasonInDigest),

		"awaiting_receipt": quote(schoolbell.ReasonAwaitingReceipt),
		"same_address":     quote(schoolbell.ReasonSameAddress),
	}
	values["in_app"], values["email"], values["sms"] = strconv.Itoa(InApp), strconv.Itoa(Email), strconv.Itoa(SMS)
	values["unacknowledged"] = quote(string(schoolbell.OnlyIfUnacknowledged))
	values["notice_cancelled"] = quote(string(schoolbell.NoticeCancelled))
	values["off"], values["digest"] = quote(string(schoolbell.ModeOff)), quote(string(schoolbell.ModeDigest))
	var open, usable []string
	for i, s := range statuses {
		values[string(s)] = strconv.Itoa(i)
		if !s.Terminal() {
			open = append(open, strconv.Itoa(i))
		}
	}
	for i, o := range outcomes {
		values["outcome_"+string(o)] = strconv.Itoa(i + 1)
	}
	for i, s := range states {
		values["address_"+string(s)] = strconv.Itoa(i)
		if s.Usable() {
			usable = append(usable, strconv.Itoa(i))
		}
	}
	for _, s := range schoolbell.EventStatuses() {
		values["event_"+string(s)] = quote(string(s))
	}
	values["open"] = strings.Join(open, ", ")
	values["usable"] = strings.Join(usable, ", ")
	return values
}

// quote returns s as an SQL string.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
