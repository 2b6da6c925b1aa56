package script

import "strconv"

// Number reads an integer that a script returned as such or as text.
func Number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	}
	return 0
}

// texts reads a list of strings.
func texts(reply any) []string {
	list, _ := reply.([]any)
	all := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// numberReply is for scripts that return one integer, negative for a refusal.
type numberReply struct{}

// Reply reads the integer.
func (numberReply) Reply(reply any) int64 { return Number(reply) }

// textsReply is for scripts that return a list of ids.
type textsReply struct{}

// Reply reads the ids.
func (textsReply) Reply(reply any) []string { return texts(reply) }
