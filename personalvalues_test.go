package schoolbell

import (
	"maps"
	"testing"
)

// What plainValues reads, the general way reads alike.
func FuzzPlainValues(f *testing.F) {
	for _, data := range []string{`{}`, ` { "a" : "x y" , "b_1":"2"}`, `{"a":"x","a":"y"}`, `{"a":" x "}`, `{"a":"x",}`, `{"a":"x"} x`, `{"a":"\n"}`, `{"a":"é"}`, `{"a":1}`} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		plain, ok := plainValues([]byte(data))
		if !ok {
			return
		}
		values, err := anyValues([]byte(data))
		if err != nil || !maps.Equal(plain, values) {
			t.Errorf("%q is %v, and %v (%v) the general way", data, plain, values, err)
		}
	})
}

func TestPlainValues(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]bool{
		`{}`: true, `{"a":"x"}`: true, " {\n\"a\": \"x\", \"b\": \" 3 \"}": true,
		`{"a":"x"}{`: false, `{,"a":"x"}`: false, `{"a":"x" "b":"y"}`: false, `{"a":7}`: false, `{"a":"\u0041"}`: false, `{"a":"ü"}`: true, "{\"a\":\"\u202e\"}": false, "{\"a\":\"\xff\"}": false, `{"a":"x"`: false, `{"A":"x"}`: false, ``: false,
	} {
		if _, ok := plainValues([]byte(data)); ok != want {
			t.Errorf("%s: read as plain data: %t", data, ok)
		}
	}
}

func BenchmarkValues(b *testing.B) {
	p := PersonData{Data: []byte(`{"note":"u0000001xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}`)}
	for name, values := range map[string]func([]byte) (map[string]string, error){"plain": func(d []byte) (map[string]string, error) { v, _ := plainValues(d); return v, nil }, "general": anyValues} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := values(p.Data); err != nil || len(v) != 1 {
					b.Fatal(v, err)
				}
			}
		})
	}
}
