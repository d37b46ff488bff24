package broker

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// access decides who may connect, publish and subscribe.
type access struct {
	users map[string]account // nil: anyone may do anything
	own   string             // a user beside them who may do everything; "" = none
}

type account struct {
	password     [sha256.Size]byte
	topics, read []string
}

func newAccess(users map[string]User) (*access, error) {
	if users == nil {
		return &access{}, nil
	}
	a := &access{users: make(map[string]account, len(users))}
	for name, u := range users {
		switch {
		case name == "":
			return nil, errors.New("a broker user needs a name")
		case u.Password == "":
			return nil, fmt.Errorf("broker user %q needs a password", name)
		case len(u.Topics)+len(u.Read) == 0:
			return nil, fmt.Errorf("broker user %q has no topics: list the filters it may use, \"#\" for all", name)
		}
		for _, t := range slices.Concat(u.Topics, u.Read) {
			if err := checkFilter(t); err != nil {
				return nil, fmt.Errorf("broker user %q: topic filter %q %w", name, t, err)
			}
		}
		a.users[name] = account{passwordHash(u.Password), u.Topics, u.Read}
	}
	return a, nil
}

// login reports whether name may connect with password. The comparison takes the
// same time however much of the password is right, and whether or not there is such a user.
func (a *access) login(name, password string) bool {
	if a.users == nil {
		return true
	}
	user, known := a.users[name]
	return samePassword(passwordHash(password), user.password) && known
}

func passwordHash(password string) [sha256.Size]byte { return sha256.Sum256([]byte(password)) }

func samePassword(a, b [sha256.Size]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// allows reports whether user may publish to a topic.
func (a *access) allows(user, topic string) bool {
	return a.isFree(user) || anyCovers(a.users[user].topics, topic)
}

// shows reports whether user may subscribe to a filter, or read a topic.
func (a *access) shows(user, filter string) bool {
	account := a.users[user]
	return a.isFree(user) || anyCovers(account.topics, filter) || anyCovers(account.read, filter)
}

// isFree reports whether user may do everything.
func (a *access) isFree(user string) bool { return a.users == nil || a.own != "" && user == a.own }

func anyCovers(all []string, filter string) bool {
	return slices.ContainsFunc(all, func(t string) bool { return covers(t, filter) })
}

// covers reports whether every topic that filter matches is also matched by allowed.
// A topic is a filter without wildcards.
func covers(allowed, filter string) bool {
	if strings.HasPrefix(filter, "$") && !strings.HasPrefix(allowed, "$") {
		return false // [MQTT-4.7.2-1]
	}
	for {
		have, moreHave, haveNext := strings.Cut(allowed, "/")
		want, moreWant, wantNext := strings.Cut(filter, "/")
		switch {
		case have == "#":
			return true
		case want == "#", have != "+" && have != want:
			return false
		case !wantNext:
			return !haveNext || moreHave == "#" // "a/#" matches "a" too [MQTT-4.7.1-2]
		case !haveNext:
			return false
		}
		allowed, filter = moreHave, moreWant
	}
}

func checkFilter(f string) error {
	if f == "" || strings.ContainsRune(f, 0) {
		return errors.New("is empty or holds a zero byte")
	}
	levels := strings.Split(f, "/")
	for i, l := range levels {
		switch {
		case strings.Contains(l, "#") && (l != "#" || i != len(levels)-1):
			return errors.New("may have # only alone in its last level") // [MQTT-4.7.1-2]
		case strings.Contains(l, "+") && l != "+":
			return errors.New("may have + only alone in a level") // [MQTT-4.7.1-3]
		}
	}
	return nil
}
