package config

import (
	"modferry/configs/strictyaml"
	"modferry/gateway/homeassistant/class"
	"modferry/modbus/profile"
	"modferry/modbus/register"
)

// checkClasses warns of classes that Home Assistant has not, or not for such values.
// What comes from a profile is told where the device names it.
func checkClasses(device *strictyaml.Map, v Device) {
	for _, r := range v.Readings {
		if r.Class == "" {
			continue
		}
		n := device.Get("profile")
		if own := device.Get("readings"); own.IsMap() {
			if keys := own.Map().Get(r.Name); keys.IsMap() {
				n = keys.Map().Get("class")
			}
		}
		checkClass(n, r)
	}
}

func checkClass(n strictyaml.Node, r profile.Reading) {
	units, isNumeric := class.Units(r.Class)
	isBinary := class.Binary(r.Class) != "" || class.Switch(r.Class) != ""
	of, fits := "names and texts", class.OfText(r.Class)
	switch {
	case r.Compute != "":
		of, fits = "computed values", isNumeric || isBinary
	case r.IsNumber():
		of, fits = "numbers", isNumeric
	case r.Type == register.Bool && len(r.Names) == 0:
		of, fits = "true and false", isBinary
	}
	mayBeBool := isBinary && !r.IsNumber()
	switch {
	case !isNumeric && !isBinary && !class.OfText(r.Class):
		n.Warnf("reading %s: Home Assistant has no class %s, so it is left out%s", r.Name, r.Class, didYouMean(n, class.Names()))
	case !fits:
		n.Warnf("reading %s: Home Assistant has no class %s of %s, so it is left out", r.Name, r.Class, of)
	case mayBeBool || !isNumeric || class.Numeric(false, r.Class, r.Unit) != "":
	case r.Unit == "":
		n.Warnf("reading %s: class %s needs a unit, and is left out for Home Assistant: its units are %s", r.Name, r.Class, units)
	default:
		n.Warnf("reading %s: class %s does not go with the unit %s, and is left out for Home Assistant: its units are %s", r.Name, r.Class, r.Unit, units)
	}
}
