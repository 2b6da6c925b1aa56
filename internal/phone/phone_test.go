package phone

import "testing"

func TestInternational(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, number, region, want string }{
		{"a number with a trunk prefix", "02079460018", "GB", "+442079460018"},
		{"marks between the digits", "020 7946.0018", "GB", "+442079460018"},
		{"a number without a trunk prefix", "2079460018", "GB", "+442079460018"},
		{"an international prefix", "0031612345678", "GB", "+31612345678"},
		{"the international prefix of the USA", "01131612345678", "US", "+31612345678"},
		{"a region without trunk prefixes", "612345678", "ES", "+34612345678"},
		{"a leading zero that belongs to the number", "0612345678", "IT", "+390612345678"},
		{"an international number stays", "+442079460018", "NL", "+442079460018"},
		{"an international number that is not valid stays", "+15005550006", "US", "+15005550006"},
		{"too few digits", "12345", "GB", "12345"},
		{"letters", "phone", "GB", "phone"},
		{"a number of another region", "0612345678", "GB", "0612345678"},
		{"nothing", "", "GB", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := International(c.number, c.region); got != c.want {
				t.Errorf("%q becomes %q, want %q", c.number, got, c.want)
			}
		})
	}
}

func TestValidRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]bool{"GB": true, "NL": true, "US": true, "gb": false, "XX": false, "": false, "001": false} {
		if got := ValidRegion(region); got != want {
			t.Errorf("%q: %v", region, got)
		}
	}
}
