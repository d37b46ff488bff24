package mqtt

import (
	"testing"
	"time"
)

func TestAgeOfAMessage(t *testing.T) {
	fresh := Message{}
	if fresh.Age() != 0 {
		t.Errorf("a message from nowhere has the age %v", fresh.Age())
	}
	old := Message{came: sinceBoot() - time.Minute}
	if age := old.Age(); age < time.Minute || age > time.Minute+testPatience {
		t.Errorf("the age of a message of a minute ago is %v", age)
	}
}
