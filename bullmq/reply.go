package bullmq

// number decodes an integer that a script returned as a number or as text.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		return parseInt(v)
	}
	return 0
}

func stringList(reply any) []string {
	list, _ := reply.([]any)
	texts := make([]string, 0, len(list))
	for _, v := range list {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// refusal turns the code that a script returned into an error, nil if it is not negative.
func refusal(reply any, op, id, key string) error {
	if n, ok := reply.(int64); ok && n < 0 {
		return &ScriptError{Code: Code(n), Op: op, JobID: id, Key: key}
	}
	return nil
}
