// Package class knows the device classes of Home Assistant: what is measured or
// switched, and in which units. They are those of the documentation of its integrations
// sensor, number, binary_sensor and switch; classes without meaning for readings, such
// as date and monetary, are left out.
package class

import (
	"maps"
	"slices"
	"strings"
)

// Units per device class of sensors and numbers, as Home Assistant's documentation of
// the integrations sensor and number lists them. None stands for no unit.
const none = "-"

var byClass = map[string]string{
	"absolute_humidity":                "g/m³ mg/m³",
	"apparent_power":                   "mVA VA kVA",
	"aqi":                              none,
	"area":                             "m² cm² km² mm² in² ft² yd² mi² ac ha",
	"atmospheric_pressure":             "cbar bar hPa mmHg inHg inH₂O kPa mbar Pa psi mPa MPa",
	"battery":                          "%",
	"blood_glucose_concentration":      "mg/dL mmol/L",
	"carbon_dioxide":                   "ppm",
	"carbon_monoxide":                  "ppm mg/m³",
	"conductivity":                     "S/cm mS/cm μS/cm",
	"current":                          "A mA",
	"data_rate":                        "bit/s kbit/s Mbit/s Gbit/s B/s kB/s MB/s GB/s KiB/s MiB/s GiB/s",
	"data_size":                        "bit kbit Mbit Gbit B kB MB GB TB PB EB ZB YB KiB MiB GiB TiB PiB EiB ZiB YiB",
	"distance":                         "km m cm mm mi nmi yd in ft",
	"duration":                         "d h min s ms μs",
	"energy":                           "J kJ MJ GJ mWh Wh kWh MWh GWh TWh cal kcal Mcal Gcal",
	"energy_distance":                  "kWh/100km Wh/km mi/kWh km/kWh",
	"energy_storage":                   "J kJ MJ GJ mWh Wh kWh MWh GWh TWh cal kcal Mcal Gcal",
	"frequency":                        "Hz kHz MHz GHz",
	"gas":                              "L m³ ft³ CCF MCF",
	"humidity":                         "%",
	"illuminance":                      "lx",
	"irradiance":                       "W/m² BTU/(h⋅ft²)",
	"moisture":                         "%",
	"nitrogen_dioxide":                 "μg/m³",
	"nitrogen_monoxide":                "μg/m³",
	"nitrous_oxide":                    "μg/m³",
	"ozone":                            "μg/m³",
	"ph":                               none,
	"pm1":                              "μg/m³",
	"pm10":                             "μg/m³",
	"pm25":                             "μg/m³",
	"pm4":                              "μg/m³",
	"power":                            "mW W kW MW GW TW",
	"power_factor":                     "% " + none,
	"precipitation":                    "cm in mm",
	"precipitation_intensity":          "in/d in/h mm/d mm/h",
	"pressure":                         "cbar bar hPa mmHg inHg inH₂O kPa mbar Pa psi mPa MPa",
	"reactive_energy":                  "varh kvarh",
	"reactive_power":                   "mvar var kvar",
	"signal_strength":                  "dB dBm",
	"sound_pressure":                   "dB dBA",
	"speed":                            "ft/s in/d in/h in/s km/h kn m/s mph mm/d mm/s",
	"sulphur_dioxide":                  "μg/m³",
	"temperature":                      "°C °F K",
	"temperature_delta":                "°C °F K",
	"volatile_organic_compounds":       "μg/m³ mg/m³",
	"volatile_organic_compounds_parts": "ppm ppb",
	"voltage":                          "V mV μV kV MV",
	"volume":                           "L mL gal m³ ft³ CCF MCF",
	"volume_flow_rate":                 "m³/h m³/min m³/s ft³/min L/h L/min L/s gal/min mL/s",
	"volume_storage":                   "L mL gal m³ ft³ CCF MCF",
	"water":                            "L gal m³ ft³ CCF MCF",
	"weight":                           "kg g mg μg oz lb st",
	"wind_direction":                   "°",
	"wind_speed":                       "ft/s km/h kn m/s mph",
}

// onlySensor are classes that numbers do not have.
var onlySensor = []string{"temperature_delta"}

var binaryClasses = strings.Fields(`battery battery_charging carbon_monoxide cold connectivity door garage_door gas
	heat light lock moisture motion moving occupancy opening plug power presence problem running safety smoke sound
	tamper update vibration window`)

var switchClasses = strings.Fields("outlet switch")

// totals are classes of what is counted; of what is measured there are averages.
var totals = strings.Fields("energy reactive_energy gas water volume")

// Numeric returns the class if numbers of this unit may have it, "" otherwise. Those that
// can be set do not have all.
func Numeric(set bool, class, unit string) string {
	allowed, known := byClass[class]
	unit = strings.ReplaceAll(unit, "µ", "μ") // the micro sign for the Greek letter
	if unit == "" {
		unit = none
	}
	if !known || set && slices.Contains(onlySensor, class) || !slices.Contains(strings.Fields(allowed), unit) {
		return ""
	}
	return class
}

// Binary returns the class if a bool may have it, "" otherwise.
func Binary(class string) string { return oneOf(binaryClasses, class) }

// Switch returns the class if a bool that can be set may have it, "" otherwise.
func Switch(class string) string { return oneOf(switchClasses, class) }

func oneOf(classes []string, class string) string {
	if slices.Contains(classes, class) {
		return class
	}
	return ""
}

// State says how statistics are made of a number: a count goes on for ever and
// begins again where it falls; a direction has no average.
func State(class string) string {
	switch {
	case slices.Contains(totals, class):
		return "total_increasing"
	case class == "wind_direction":
		return ""
	}
	return "measurement"
}

// Names returns all classes of readings, sorted.
func Names() []string {
	all := slices.Concat(slices.Collect(maps.Keys(byClass)), binaryClasses, switchClasses, texts)
	slices.Sort(all)
	return slices.Compact(all)
}

// texts are classes of names and times, which have them anyway.
var texts = strings.Fields("enum timestamp")

// Units returns the units in words of the numbers that a class is for; ok is false if
// it is for none.
func Units(class string) (units string, ok bool) {
	allowed, ok := byClass[class]
	words := strings.Fields(allowed)
	for i, w := range words {
		if w == none {
			words[i] = "no unit"
		}
	}
	return strings.Join(words, ", "), ok
}

// OfText reports whether names or times have the class.
func OfText(class string) bool { return slices.Contains(texts, class) }
