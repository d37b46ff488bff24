package homeassistant

import (
	"slices"
	"strings"
)

// Units per device class of sensors and numbers, as Home Assistant's documentation of
// the integrations sensor and number lists them. None stands for no unit.
const none = "-"

var units = map[string]string{
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

// numericClass returns the class if values of this unit may have it, "" otherwise.
func numericClass(component, class, unit string) string {
	allowed, known := units[class]
	unit = strings.ReplaceAll(unit, "µ", "μ") // the micro sign for the Greek letter
	if unit == "" {
		unit = none
	}
	if !known || component == number && slices.Contains(onlySensor, class) || !slices.Contains(strings.Fields(allowed), unit) {
		return ""
	}
	return class
}

func oneOf(classes []string, class string) string {
	if slices.Contains(classes, class) {
		return class
	}
	return ""
}

// stateClass says how statistics are made of a number: a count goes on for ever and
// begins again where it falls; a direction has no average.
func stateClass(class string) string {
	switch {
	case slices.Contains(totals, class):
		return "total_increasing"
	case class == "wind_direction":
		return ""
	}
	return "measurement"
}
