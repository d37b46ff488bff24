package config_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"modferry/configs/strictyaml"
	"modferry/gateway/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMistakes(t *testing.T) {
	const golden = "testdata/mistakes.txt"
	_, err := config.Parse("mistakes.yaml", read(t, "testdata/mistakes.yaml"), options())
	var problems strictyaml.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v", err)
	}
	got := problems.Error() + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(read(t, golden)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, secret := range []string{"hunter2", "s3cret"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

// TestOneMistake: small texts, each with one mistake and a part of the words that name it.
func TestOneMistake(t *testing.T) {
	mqtt := func(keys string) string { return "gateway: w\nmqtt: {" + keys + "}\nbuses: {b: {tcp: h}}\n" }
	broker := func(rest string) string { return "gateway: w\n" + rest + "\nbuses: {b: {tcp: h}}\n" }
	device := func(keys string) string { return minimal("tcp: h", "devices: {d: {bus: b, "+keys+"}}") }
	rule := func(keys string) string { return minimal("tcp: h, allow: [{"+keys+"}]", "") }
	for text, want := range map[string]string{
		"gateway: w\nbuses: {b: {tcp: h}}":  "1:1: there is no MQTT broker: add mqtt",
		"gateway: w\nbroker: {}":            "1:1: buses: the key is missing: add buses",
		"gateway: w\nbroker: {}\nbuses: {}": "there is no bus",
		"broker: {}\nbuses: {b: {tcp: h}}":  "gateway: the key is missing",
		"[a]":                               "expected a mapping",
		"gateway: 'a":                       "1:10: the quote",
		mqtt("url: mqtt:broker"):            "mqtt.url: it is no URL",
		mqtt("url: ftp://h"):                "must begin with mqtt://",
		mqtt("url: 'mqtt://u:hunter2@h'"):   "do not belong into the URL",
		mqtt("url: mqtt://h, username: u, password: 'a${b hunter2'"):                   "a text that may be a secret is not a variable",
		"gateway: w\nmqtt: 'mqtt://u:hunter2@h'\nbroker: {}\nbuses: {b: {tcp: h}}":     "got a text that may be a secret",
		broker("broker: {users: {bob: hunter2}}"):                                      "got a text that may be a secret",
		broker("broker: {users: hunter2}"):                                             "got a text that may be a secret",
		minimal("tcp: 'u:hunter2@127.0.0.1:5'", ""):                                    `got "(hidden)@127.0.0.1:5"`,
		mqtt("url: mqtt://h, client_id: 'x y:hunter2@h'"):                              "(hidden)@h",
		mqtt("url: 'mqtt://h?a=hunter2'"):                                              "remove what begins with ?",
		mqtt("url: 'mqtt://h/path'"):                                                   "only ws:// and wss:// have a path",
		mqtt("url: 'mqtt://h:70000'"):                                                  "the port must be a number from 1 to 65535",
		mqtt("url: 'mqtt://:1883'"):                                                    "has no host",
		mqtt("url: mqtt://h, password: hunter2"):                                       "a password needs a username",
		mqtt("url: mqtt://h, username: u, password: [hunter2]"):                        "expected text, got a list",
		mqtt("url: mqtt://h, username: u, password_file: none"):                        `cannot read the file "none", which is relative to the configuration file: file does not exist`,
		mqtt("url: mqtt://h, username: u, password: '${GONE}'"):                        "the environment variable GONE is not set",
		mqtt("url: mqtt://h, qos: '${SECRET}'"):                                        `got "${SECRET}"`,
		mqtt("url: mqtt://h, client_id: 'a b'"):                                        "no white space",
		mqtt("url: mqtt://h, tls: {ca: there}"):                                        "without TLS: begin it with mqtts://",
		mqtt("url: mqtts://h, tls: {ca: none}"):                                        `cannot read the file "none"`,
		mqtt("url: mqtts://h, tls: {key: there}"):                                      "needs cert and key",
		mqtt("url: mqtt://h, keepalive: 0"):                                            "from 1s to",
		mqtt("url: mqtt://h, version: 4"):                                              "expected 3.1.1 or 5",
		mqtt("url: mqtt://h, version: 5, reply_topics: 'a b/#'"):                       "a response topic has no white space",
		mqtt("url: mqtt://h, version: 5, reply_topics: [$SYS/#]"):                      "no $ in front",
		mqtt(`url: mqtt://h, version: 5, reply_topics: ["a/\ufffe/#"]`):                "is no topic filter",
		mqtt(`url: mqtt://h, client_id: "a\u0085"`):                                    "no white space or control characters",
		mqtt(`url: mqtt://h, client_id: "a\uFFFF"`):                                    "no white space or control characters",
		mqtt(`url: mqtt://h, username: "hunter2\u0001"`):                               "a user name has at most 65535 bytes",
		broker("broker: {}\nbacklog: {max: 65535B}"):                                   "expected a size from 64KiB to 64GiB, or 0 to keep nothing",
		broker("broker: {}\nbacklog: {max: 65GiB}"):                                    "expected a size from 64KiB",
		broker("broker: {}\nbacklog: {rate: 0}"):                                       "backlog.rate: expected a whole number from 1",
		broker("broker: {tls: {cert: there}}"):                                         "broker.tls.key: the key is missing: add key",
		broker("broker: {tls: {cert: there, key: none}}"):                              `cannot read the file "none"`,
		broker("broker: {tls: {cert: there, key: there}}"):                             "broker.tls: cert and key are no pair of PEM files",
		broker("broker: {}\nhttp: {tls: {cert: there, key: there}}"):                   "http.tls: cert and key are no pair of PEM files",
		broker("broker: {}\nprefix: \"a\\u0085b\""):                                    "no white space or control characters",
		broker("broker: {}\nprefix: \"a\\ufffeb\""):                                    "is no topic",
		broker("broker: {}\nprefix: 'a\u00a0b'"):                                       "is no topic",
		broker("broker: {}\nprefix: " + strings.Repeat("a/", 120) + "b"):               "at most 120 levels",
		minimal("tcp: h, request: "+strings.Repeat("a", 1025), ""):                     "1 to 1024 bytes",
		minimal("tcp: h, response: modferry/w/status", ""):                             "the gateway has its own topics there",
		minimal("tcp: h, request: modferry/w/device/d/r/set", ""):                      "the gateway has its own topics there",
		minimal(`tcp: h, response: "a\0b"`, ""):                                        "is no topic",
		mqtt("url: mqtt://h, reply_topics: [a/#/b]"):                                   "is no topic filter",
		broker("broker: {mqtt: ':1883', users: {a: {topics: [a/#]}}}"):                 "the user has no password",
		broker("broker: {users: {a: {password: x, topics: []}}}"):                      "the list is empty",
		broker("broker: {users: {a: {password: x, topics: [a+]}}}"):                    "is no topic filter",
		broker("broker: {users: {a: {password: x, read: [a+]}}}"):                      "is no topic filter",
		broker("broker: {users: {a: {password: ''}}}"):                                 "the text is empty",
		broker("broker: {users: {a: {password: x, password_file: there}}}"):            "keep one of password and password_file",
		broker("broker: {users: {modferry-gateway: {password: x}}}"):                   "belongs to the gateway itself",
		broker("broker: {mqtt: '0.0.0.0:1883'}"):                                       "a listener beyond 127.0.0.1 needs credentials",
		broker("broker: {}\nhttp: {listen: '[::]:8080', users: {a: {password: x}}}"):   "a listener beyond 127.0.0.1 needs credentials: add users to broker",
		broker("broker: {users: {a: {password: x}}}\nhttp: {listen: '[::]:8080'}"):     "a listener beyond 127.0.0.1 needs credentials: add users to http",
		broker("mqtt: {url: mqtt://h}\nhttp: {listen: '[::]:8080'}"):                   "a listener beyond 127.0.0.1 needs credentials: add users to http",
		broker("broker: {}\nhttp: {users: {}}"):                                        "there is no user, so nobody could log in",
		broker("broker: {}\nhttp: {users: {a: {}}}"):                                   "the user has no password",
		broker("broker: {}\nhttp: {users: {a: {password: x, topics: b}}}"):             "http.users.a.topics: unknown key",
		broker("broker: {}\nhttp: {users: {bob: hunter2}}"):                            "got a text that may be a secret",
		broker("broker: {}\nhttp: {users: hunter2}"):                                   "got a text that may be a secret",
		broker("broker: {}\nhttp: {listen: host}"):                                     "expected an address with a port",
		broker("broker: {}\nprefix: a/"):                                               "no / at the end",
		broker("broker: {}\nprefix: $SYS"):                                             "is no topic",
		broker("broker: {}\nrequests: {rate: -1}"):                                     "requests.rate: expected",
		minimal("tcp: h, breaker: {probe: 2s, probe_max: 1s}", ""):                     "is shorter than probe",
		minimal("tcp: ':502'", ""):                                                     "expected host:port",
		minimal("tcp: 'http://h'", ""):                                                 "expected host:port",
		minimal("tcp: h, serial: h", ""):                                               "keep one of serial, tcp, udp and tls",
		minimal("tls: 'h:0'", ""):                                                      "write it as in 10.0.0.5:802",
		minimal("tls: h, ca: none", ""):                                                `buses.b.ca: cannot read the file "none"`,
		minimal("tls: h, cert: there", ""):                                             "a client certificate needs cert and key",
		minimal("tcp: h, ca: there", ""):                                               "buses.b.ca: is for tls: remove it, or write tls instead of tcp",
		minimal("udp: h, server_name: x", ""):                                          "buses.b.server_name: is for tls",
		minimal("udp: h, framing: rtu", ""):                                            "buses.b.framing: over udp there is only mbap",
		minimal("udp: h, baud: 9600", ""):                                              "buses.b.baud: is for serial",
		minimal("tls: h, low_latency: true", ""):                                       "buses.b.low_latency: is for serial",
		minimal("tcp: h, turnaround: 1s", ""):                                          "it is for broadcasts",
		minimal("serial: /dev/x, turnaround: 0", ""):                                   "from 1ms to 10s",
		minimal("serial: /dev/x, rs485: maybe", ""):                                    "expected true, false, auto or a mapping with rts_on_send",
		minimal("serial: /dev/x, rs485: {rts: true}", ""):                              "buses.b.rs485.rts: unknown key",
		minimal("serial: /dev/x, rs485: {delay_after: 1s}", ""):                        "from 0s to 100ms",
		minimal("serial: /dev/x, rs485: {delay_after: 500us}", ""):                     "whole milliseconds",
		minimal("serial: /dev/x, rs485: true, rts: on", ""):                            "the driver switches RTS",
		minimal("serial: /dev/x, dtr: true", ""):                                       "buses.b.dtr: expected on or off",
		minimal("serial: /dev/x, mode: ascii, frame_gap: 1ms", ""):                     "ASCII frames have a beginning",
		minimal("serial: /dev/x, frame_gap: 1ns", ""):                                  "from 10µs to 1s",
		minimal("queue: 5", ""):                                                        "the bus has no line",
		minimal("tcp: h, baud: 9600", ""):                                              "buses.b.baud: is for serial",
		minimal("serial: /dev/x, in_flight: 2", ""):                                    "buses.b.in_flight: is for tcp",
		minimal("serial: /dev/x, data_bits: 7", ""):                                    "RTU needs 8 data bits",
		minimal("tcp: h, framing: ascii, in_flight: 2", ""):                            "only mbap has transaction ids",
		minimal("tcp: h, broadcast: true", ""):                                         "only serial lines have broadcasts",
		minimal("tcp: h, request: modferry/w/bus/x/request", ""):                       "the gateway has its own topics there",
		minimal("tcp: h, request: 'a b'", ""):                                          "is no topic",
		minimal("tcp: h, request: abc", "  c: {tcp: i, request: abc}"):                 "bus b has the same request topic",
		minimal("tcp: h, response: abc", "  c: {tcp: i, request: abc}"):                "the replies of bus b go to this topic",
		minimal("serial: /dev/x", "  c: {serial: /dev/x}"):                             "bus b has this port already",
		minimal("tcp: h", "  b: {tcp: i}"):                                             "buses.b: the key is already on line 4",
		minimal("tcp: h", "extra: 1"):                                                  "extra: unknown key",
		rule("units: [256]"):                                                           "from 0 to 255",
		rule("units: []"):                                                              "the rule would match nothing",
		rule("clients: [a/b]"):                                                         `the name "a/b" must`,
		rule("functions: [0]"):                                                         "a code from 1 to 127",
		rule("addresses: 2-1"):                                                         "write the smaller number first",
		rule("addresses: 1-2-3"):                                                       "expected a number from 0 to 65535 or a range",
		rule("values: [0x10000]"):                                                      "expected a number from 0 to 65535 or a range",
		rule("registers: 5"):                                                           "known are clients, units, functions, addresses, values",
		device("unit: 1"):                                                              "the device has nothing to read",
		device("unit: 300, profile: xy-md02"):                                          "from 0 to 255",
		device("readings: {r: {coil: 1}}"):                                             "add unit",
		device("profile: '${SECRET}'"):                                                 `there is no profile "${SECRET}": known are`,
		device("profile: xy-md02, readings: {humidity: {coil: 1}}"):                    "has a reading of this name",
		minimal("serial: /dev/x", "devices: {d: {bus: b, unit: 0, profile: xy-md02}}"): "from 1 to 247",
		minimal("tcp: h", "devices: {d: {bus: c, profile: xy-md02}}"):                  `there is no bus "c": known are b`,
	} {
		_, err := config.Parse("conf/g.yaml", []byte(text), options("conf/there"))
		var problems strictyaml.Problems
		if !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant one problem with %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
}

func TestWarnings(t *testing.T) {
	device := func(keys string) string { return minimal("tcp: h", "devices: {d: {bus: b, "+keys+"}}") }
	for text, want := range map[string]string{
		minimal("tcp: h, allow: [{functions: read}]", ""):                                                                   "reading is always allowed",
		minimal("tcp: h, allow: []", ""):                                                                                    "stays read-only",
		minimal("tcp: h, request: abc, allow: [{clients: [a]}]", ""):                                                        "cannot tell clients apart",
		minimal("tcp: h", "  c: {tcp: 'h:502', framing: rtu}"):                                                              "bus b reaches the same address with another framing or TLS",
		minimal("tls: h", "  c: {tls: h, server_name: x}"):                                                                  "bus b reaches the same address with another framing or TLS",
		minimal("tcp: h", "mqtt: {reply_topics: apps/#}"):                                                                   "only requests of MQTT 5 name a response topic",
		"gateway: w\nbroker: {mqtt: '0.0.0.0:1883', users: {a: {password: x}}}\nbuses: {b: {tcp: h}}\n":                     "passwords cross the network in the clear: add tls",
		"gateway: w\nmqtt: {url: 'mqtt://h'}\nhttp: {listen: '[::]:80', users: {a: {password: x}}}\nbuses: {b: {tcp: h}}\n": "passwords cross the network in the clear: add tls",
		device("unit: 1, readings: {r: {input: 1, type: int16, class: temprature}}"):                                        "has no class temprature, so it is left out: did you mean temperature?",
		device("unit: 1, readings: {r: {input: 1, type: int16, class: problem}}"):                                           "no class problem of numbers",
		device("unit: 1, readings: {r: {coil: 1, class: temperature}}"):                                                     "no class temperature of true and false",
		device("unit: 1, readings: {r: {input: 1, type: string, count: 2, class: power}}"):                                  "no class power of names and texts",
		device("unit: 1, readings: {r: {input: 1, type: int16, class: energy, unit: kW}}"):                                  "class energy does not go with the unit kW, and is left out for Home Assistant: its units are J, kJ",
		device("unit: 1, readings: {r: {input: 1, type: int16, class: power}}"):                                             "class power needs a unit",
		device("unit: 1, readings: {a: {input: 1, type: int16}, r: {compute: a, class: energy, unit: kW}}"):                 "class energy does not go with the unit kW",
		device("unit: 1, readings: {r: {holding: 1, type: int16, scale: 0.1, set: {min: 0, max: 9, step: 0.25}}}"):          "the register holds multiples of 0.1, so not all values in steps of 0.25",
		device("unit: 1, readings: {r: {holding: 1, type: int16, set: {min: 0, max: 9, step: 0.5}}}"):                       "the register holds multiples of 1",
		device("unit: 1, readings: {r: {holding: 1, type: int16, scale: 0.1, set: {min: 0, max: 9, step: 0.3}}, s: {holding: 2, type: float32, set: {min: 0, max: 9, step: 0.3}}, t: {coil: 1, class: battery}, u: {input: 1, type: int16, unit: W, class: power}, v: {input: 3, type: uint16, enum: {1: a}, class: enum}, w: {input: 3, type: uint16, class: pm}}"): "no class pm",
	} {
		c := parse(t, text)
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0].String(), want) {
			t.Errorf("%s: warnings %v", text, c.Warnings)
		}
	}
}
