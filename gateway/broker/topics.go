package broker

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"modferry/gateway/broker/packet"
)

const sharePrefix = "$share/"

// subscription is one filter of one session.
type subscription struct {
	packet.Filter
	session *session
	id      uint32 // subscription identifier, 0 = none
	group   string // of a shared subscription, else ""
	cost    int    // bytes
	kept    bool   // on disk
}

// tree finds the subscriptions that match a topic. The hub's lock guards it.
type tree struct{ root node }

type node struct {
	children map[string]*node
	subs     []*subscription
	groups   map[string]*group
}

// group shares the messages of a filter between its members, in turn.
type group struct {
	members []*subscription
	turn    int
}

// costOf is what a filter takes in the tree at most, in bytes.
func costOf(filter string) int { return 256 + 2*len(filter) + 160*(strings.Count(filter, "/")+1) }

// inner returns the filter proper of a subscription, and the group if it is shared.
func inner(filter string) (group, rest string) {
	if after, ok := strings.CutPrefix(filter, sharePrefix); ok {
		group, rest, _ = strings.Cut(after, "/")
		return group, rest
	}
	return "", filter
}

// checkSubscription checks a filter that a client asks for.
func checkSubscription(filter string) error {
	name, rest := inner(filter)
	switch {
	case strings.HasPrefix(filter, sharePrefix) && (name == "" || strings.ContainsAny(name, "+#")): // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
		return errors.New("has no good share name")
	case filter == "$share":
		return errors.New("shares nothing")
	case len(filter) > maxTopic || !utf8.ValidString(filter):
		return errors.New("is too long, or no text")
	case strings.Count(rest, "/") >= maxLevels:
		return errors.New("has too many levels")
	}
	return checkFilter(rest)
}

func (t *tree) add(s *subscription) {
	_, rest := inner(s.Filter.Filter)
	n := &t.root
	for more := true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		next := n.children[level]
		if next == nil {
			next = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[level] = next
		}
		n = next
	}
	if s.group == "" {
		n.subs = append(n.subs, s)
		return
	}
	g := n.groups[s.group]
	if g == nil {
		g = &group{}
		if n.groups == nil {
			n.groups = map[string]*group{}
		}
		n.groups[s.group] = g
	}
	g.members = append(g.members, s)
}

func (t *tree) remove(s *subscription) {
	_, rest := inner(s.Filter.Filter)
	t.root.remove(s, rest, true)
}

func (n *node) remove(s *subscription, rest string, more bool) {
	if more {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		next := n.children[level]
		if next == nil {
			return
		}
		next.remove(s, rest, more)
		if len(next.children)+len(next.subs)+len(next.groups) == 0 {
			delete(n.children, level)
		}
		return
	}
	if s.group == "" {
		n.subs = without(n.subs, s)
		return
	}
	if g := n.groups[s.group]; g != nil {
		if g.members = without(g.members, s); len(g.members) == 0 {
			delete(n.groups, s.group)
		}
	}
}

func without(all []*subscription, s *subscription) []*subscription {
	if i := slices.Index(all, s); i >= 0 {
		return slices.Delete(all, i, i+1)
	}
	return all
}

// match calls visit for each node whose subscriptions match the topic.
func (t *tree) match(topic string, visit func(*node)) {
	t.root.match(topic, true, strings.HasPrefix(topic, "$"), visit)
}

func (n *node) match(rest string, more, dollar bool, visit func(*node)) {
	if all := n.children["#"]; all != nil && !dollar { // "a/#" matches "a" too [MQTT-4.7.1-2]
		visit(all)
	}
	if !more {
		visit(n)
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	if next := n.children[level]; next != nil && level != "+" && level != "#" {
		next.match(rest, more, false, visit)
	}
	if next := n.children["+"]; next != nil && !dollar { // [MQTT-4.7.2-1]
		next.match(rest, more, false, visit)
	}
}

// next returns the member that gets the next message: one that is connected, if any is.
func (g *group) next(may func(*subscription) bool) *subscription {
	var waiting *subscription
	for range g.members {
		g.turn = (g.turn + 1) % len(g.members)
		m := g.members[g.turn]
		switch {
		case !may(m):
		case m.session.client != nil:
			return m
		case waiting == nil:
			waiting = m
		}
	}
	return waiting
}
