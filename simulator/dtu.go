package simulator

import (
	"context"

	"modferry/simulator/dtu"
)

// OpenMQTT adds a line that is carried by MQTT messages, as by a transparent DTU; it
// connects at once, and returns by the end of ctx.
func (s *Simulator) OpenMQTT(ctx context.Context, o dtu.Options) error {
	if o.Logger == nil {
		o.Logger = s.log
	}
	return s.add(func() (face, error) {
		line, err := dtu.Open(ctx, o)
		if err != nil {
			return nil, err
		}
		return &lineFace{s, line, FaceMQTT}, nil
	})
}
