package datatable

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"schoolbell"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ text, want, fault string }{
		"nothing":          {"  \n", "[] []", ""},
		"from a sheet":     {"user\troom\tSeat number\nada\t7\tA 1\nben\t\t", `[ada:{"room":"7","seat_number":"A 1"} ben:{}] [room seat_number]`, ""},
		"commas":           {"room,user\n\"7, upstairs\",ada\n\n", `[ada:{"room":"7, upstairs"}] [room]`, ""},
		"semicolons":       {"\ufeffuser;fee\r\nada;3,50\r\n", `[ada:{"fee":"3,50"}] [fee]`, ""},
		"fewer cells":      {"user,a,b\nada,1", `[ada:{"a":"1"}] [a b]`, ""},
		"no user column":   {"name,room\nada,7", "", "one of them user"},
		"a bad column":     {"user,größe\nada,7", "", "the name of column 2"},
		"a column twice":   {"user,a,A\nada,7,8", "", "the column a is there twice"},
		"an empty column":  {"user,\nada,7", "", "the name of column 2"},
		"too many cells":   {"user,a\nada,1,2", "", "row 1 has 3 cells, and there are 2 columns"},
		"nobody":           {"user,a\nada,1\n,2", "", "row 2 names no user"},
		"a quotation mark": {"user,a\nada,1\nben,\"x", "", "row 2 cannot be read"},
		"too many rows":    {"user,a" + strings.Repeat("\nada,1", schoolbell.MaxPersonal+1), "", "more than 10000 rows"},
	} {
		people, names, faults := Read(x.text)
		if x.fault != "" {
			if len(faults) == 0 || !strings.Contains(faults[0].Message, x.fault) || faults[0].Field != Field {
				t.Errorf("%s: faults %v, want %q", name, faults, x.fault)
			}
			continue
		}
		var got []string
		for _, p := range people {
			got = append(got, p.User+":"+string(p.Data))
		}
		if text := fmt.Sprint(got, " ", names); text != x.want || len(faults) > 0 {
			t.Errorf("%s: %s, %v, want %s", name, text, faults, x.want)
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"personal[0].user": "row 1", "personal[2].data": "row 3", "personal[2].data.room": "row 3, room",
		"personal": "", "texts.es.title": "", "personal[x].user": "", "personal[1": ""} {
		if got, ok := Place(field); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", field, got, ok)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("user,room\nada,7")
	f.Add("user;\"a\nb\"\n\x00;1")
	f.Fuzz(func(t *testing.T, text string) {
		people, _, faults := Read(text)
		if len(faults) > maxFaults+1 {
			t.Errorf("%d faults", len(faults))
		}
		for _, p := range people {
			if p.User == "" || !json.Valid(p.Data) {
				t.Errorf("%q: %+v", text, p)
			}
		}
	})
}
