package scan

import (
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// bounds are what values of a class can be, in the units that profiles use.
var bounds = map[string][2]float64{
	"temperature": {-100, 1000}, "humidity": {0, 100}, "moisture": {0, 100}, "ph": {0, 14}, "power_factor": {-1, 1},
	"voltage": {0, 1500}, "carbon_dioxide": {0, 100_000}, "wind_direction": {0, 360}, "wind_speed": {0, 120}, "illuminance": {0, 300_000},
}

// plausible reports whether a reading can have a value.
func plausible(p *profile.Profile, r profile.Reading, v register.Value) bool {
	if !v.IsNumber() || !r.IsNumber() {
		return true
	}
	value := v.Float()
	if limits, ok := bounds[r.Class]; ok && (value < limits[0] || value > limits[1]) {
		return false
	}
	if r.Class == "frequency" && r.Unit == "Hz" && value != 0 && (value < 15 || value > 500) {
		return false
	}
	for _, own := range p.Registers {
		if own.Name == r.Name && own.Moves() && (value < own.Min || value > own.Max) && value != 0 {
			return false
		}
	}
	return true
}
