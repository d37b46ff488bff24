package message

import "strings"

// MayAnswer reports whether a client of the bus may ask for its reply on a topic
// under the gateway's prefix: its own response topic, any response topic of the bus
// if the client has no ending, and every topic that this contract gives no meaning.
// So nobody can have the gateway speak on a topic where others listen for something else.
func (t Topics) MayAnswer(b Bus, client, topic string) bool {
	rest, ours := strings.CutPrefix(topic, t.Prefix+"/")
	switch {
	case !ours || !ValidTopic(topic):
		return false
	case topic == b.Response(client):
		return true
	case b.isResponse(topic):
		return client == ""
	}
	return rest != "" && !t.IsOwn(topic)
}

// isResponse reports whether a topic is the response topic of some client.
func (b Bus) isResponse(topic string) bool {
	client, ok := strings.CutPrefix(topic, b.base+"/response/")
	return ok && ValidName(client)
}

// Matches reports whether a topic filter matches a topic [MQTT 3.1.1, 4.7].
func Matches(filter, topic string) bool {
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false // [MQTT-4.7.2-1]
	}
	for {
		want, filters, moreFilters := strings.Cut(filter, "/")
		have, topics, moreTopics := strings.Cut(topic, "/")
		switch {
		case want == "#":
			return true
		case want != "+" && want != have:
			return false
		case !moreTopics:
			return !moreFilters || filters == "#" // "a/#" matches "a" too [MQTT-4.7.1-2]
		case !moreFilters:
			return false
		}
		filter, topic = filters, topics
	}
}
