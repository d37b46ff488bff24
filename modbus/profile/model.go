package profile

import "time"

// Model is how a register moves by itself: a [*Wave], [*Saw], [*Ramp], [*Steps],
// [*Walk], [*Thermal], [*Counter], [*Replay] or [*Formula]. Times count from the
// device's start.
type Model interface{ Measured() Sensor }

// Sensor is how a device measures what moves.
type Sensor struct {
	Sample     time.Duration // it measures this often; in between the value stands still
	Noise      float64       // greatest deviation from the true value
	Resolution float64       // the value is a multiple of it; 0 = any
}

// Measured returns the sensor itself.
func (s Sensor) Measured() Sensor { return s }

// Wave is a sine: Mean + Amplitude x sin(2 pi t / Period). A negative amplitude
// begins downwards.
type Wave struct {
	Sensor
	Mean, Amplitude float64
	Period          time.Duration
}

// Saw goes evenly from From to To in each Period, and then begins at From again.
type Saw struct {
	Sensor
	From, To float64
	Period   time.Duration
}

// Ramp goes evenly from From to To, once, and stays there.
type Ramp struct {
	Sensor
	From, To float64
	Over     time.Duration
}

// Steps are values one after the other, each for some time.
type Steps struct {
	Sensor
	Values []float64 // NaN: a sensor without a value
	Every  time.Duration
	Loop   bool // the first follows the last; otherwise the last stays
}

// Walk goes up or down by at most Step at each sample, from the register's Initial
// on; at its Min and Max it turns round.
type Walk struct {
	Sensor
	Step float64
}

// Thermal is what a heater or cooler does to a temperature: it comes nearer to its
// target, by 63 % of the distance in each Tau. It begins at Ambient.
type Thermal struct {
	Sensor
	Follows string  // name of the register with the target
	Switch  string  // name of the register that is 0 while it is off, and Ambient the target; "" = always on
	Ambient float64 // without heating or cooling
	Tau     time.Duration
}

// Counter counts up by so much in an hour, from the register's Initial on.
type Counter struct {
	Sensor
	Rises float64
	Rolls bool // after Max it begins at Min, or 0, again; otherwise it stays at Max
}

// Replay are values that were recorded, in a column of a CSV file.
type Replay struct {
	Sensor
	File   string
	Column string        // its name in the first line, or its number from 1
	Time   string        // likewise that of the times; "" = a row is valid for Every
	Every  time.Duration // 0 = there are times
	Speed  float64       // 2 = twice as fast
	Loop   bool          // it begins again after the last row; otherwise that stays
}

// Formula is computed from other registers of the device.
type Formula struct {
	Sensor
	Expression string
}
