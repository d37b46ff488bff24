package profile_test

import (
	"strings"
	"testing"

	"modferry/modbus/profile"
)

func parseRegister(t *testing.T, reading, text string) (profile.Register, error) {
	t.Helper()
	p, err := profile.Parse("x.yaml", []byte(small+"  r: "+reading+"\nregisters:\n  r: "+text+"\n"))
	if err != nil {
		return profile.Register{}, err
	}
	return p.Registers[0], nil
}

// Codes stand for what they mean, whatever the register reads back as.
func TestRegisterWithCodes(t *testing.T) {
	const codes = "codes: {0: 2400, 2: 9600}"
	for text, coded := range map[string]bool{
		"{holding: 1, type: uint16, " + codes + "}":                 false,
		"{holding: 1, type: uint16, reads: meaning, " + codes + "}": false,
		"{holding: 1, type: float32, reads: code, " + codes + "}":   true,
	} {
		r, err := parseRegister(t, "{coil: 1}", text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if r.Coded != coded || r.Meaning(2) != 9600 || r.Meaning(0) != 2400 || r.Meaning(9600) != 9600 || r.Meaning(1) != 1 {
			t.Errorf("%s: %+v", text, r)
		}
	}
}

// The device has numbers where a client shows names.
func TestRegisterOfAReadingWithNames(t *testing.T) {
	for _, reading := range []string{`{holding: 7, type: uint16, enum: {0: "off", 1: "on"}}`, `{holding: 7, type: uint16, flags: {3: alarm}}`} {
		r, err := parseRegister(t, reading, "{initial: 8}")
		if err != nil {
			t.Fatalf("%s: %v", reading, err)
		}
		if r.Address != 7 || !r.IsNumber() {
			t.Errorf("%s: %+v", reading, r)
		}
	}
}

// A register holds at first what its description says, in the words of its reading.
func TestInitial(t *testing.T) {
	const enum, flags = `{holding: 1, type: uint16, enum: {0: idle, 5: heat}}`, `{holding: 1, type: uint16, flags: {0: door, 7: hot}}`
	for _, c := range []struct{ reading, register, want string }{
		{enum, `{initial: heat}`, "5"},
		{enum, `{initial: 3}`, "3"},
		{enum, `{}`, "0"},
		{flags, `{initial: [door, hot]}`, "129"},
		{flags, `{initial: hot}`, "128"},
		{flags, `{initial: []}`, "0"},
		{flags, `{initial: 0x81}`, "129"},
		{"{coil: 1}", `{initial: true}`, "1"},
		{"{coil: 1}", `{initial: false}`, "0"},
		{"{coil: 1}", `{coil: 4, count: 3, initial: [true, 0, false]}`, "[1,0,0]"},
		{"{coil: 1}", `{holding: 1, type: uint32, initial: 0xFFFFFFFF}`, "4294967295"},
		{"{coil: 1}", `{holding: 1, type: uint64, initial: 18446744073709551615}`, "18446744073709551615"},
		{"{coil: 1}", `{holding: 1, type: uint64, initial: 0xFFFFFFFFFFFFFFFF}`, "18446744073709551615"},
		{"{coil: 1}", `{holding: 1, type: int64, initial: 9007199254740993}`, "9007199254740993"},
		{"{coil: 1}", `{holding: 1, type: int64, initial: -9223372036854775807}`, "-9223372036854775807"},
		{"{coil: 1}", `{holding: 1, type: int64, count: 2, initial: [1, 9007199254740993]}`, "[1,9007199254740993]"},
		{"{coil: 1}", `{holding: 1, type: uint16, enum: {2: two}, initial: two}`, "2"},
		{"{coil: 1}", `{holding: 1, type: int16, scale: 0.1, initial: -20.5}`, "-20.5"},
	} {
		r, err := parseRegister(t, c.reading, c.register)
		if err != nil || r.First().String() != c.want {
			t.Errorf("%s of %s: %s, %v; want %s", c.register, c.reading, r.First(), err, c.want)
		}
	}
	for _, c := range []struct{ reading, register, says string }{
		{enum, `{initial: het}`, `expected a number or a name, got "het": known are idle, heat`},
		{flags, `{initial: [dor]}`, `expected a flag, got "dor": known are door, hot`},
		{"{coil: 1}", `{holding: 1, type: uint16, initial: true}`, "expected a number"},
		{"{coil: 1}", `{holding: 1, type: int64, initial: 9223372036854775808}`, "does not fit into int64"},
	} {
		if _, err := parseRegister(t, c.reading, c.register); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s of %s: %v; want %q", c.register, c.reading, err, c.says)
		}
	}
}

func TestRegisterOfATextOrTime(t *testing.T) {
	for text, want := range map[string]string{
		`{input: 1, type: string, count: 4, initial: MF-100}`:                    `"MF-100"`,
		`{input: 1, type: string, count: 4}`:                                     `""`,
		`{holding: 1, type: time-bytes}`:                                         `"2000-01-01T00:00:00Z"`,
		`{holding: 1, type: time-unix, count: 2, initial: 2026-11-24T12:00:00Z}`: `"2026-11-24T12:00:00Z"`,
		`{holding: 1, type: uint16, initial: 7}`:                                 `7`,
	} {
		r, err := parseRegister(t, "{coil: 1}", text)
		if err != nil || string(r.First().JSON()) != want {
			t.Errorf("%s: %s, %v; want %s", text, r.First().JSON(), err, want)
		}
	}
	for text, want := range map[string]string{
		`{input: 1, type: string, count: 2, initial: MF-100}`: "does not fit into the 4 bytes of 2 registers",
		`{holding: 1, type: time-unix, initial: noon}`:        "needs a date and time",
		`{holding: 1, type: string, count: 2, max: 5}`:        "only numbers have min and max",
		`{input: 1, type: string, count: 2, rises: 5}`:        "only numbers have min and max, and move",
		`{holding: 1, type: string, count: 2, is: unit}`:      "one number in holding registers",
		`{holding: 1, type: string, count: 2, codes: {0: 1}}`: "one number in holding registers",
		`{input: 1, type: string, initial: x}`:                "add count, the number of registers of the text",
	} {
		_, err := parseRegister(t, "{coil: 1}", text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n got %v\nwant one problem with %q", text, err, want)
		}
	}
}
