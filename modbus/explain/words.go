package explain

import (
	"fmt"
	"strings"

	"modferry/modbus"
)

func unitMeaning(unit byte, f modbus.Framing) string {
	switch {
	case f == modbus.TCP && (unit == modbus.TCPUnit || unit == 0):
		return "the TCP device itself"
	case f == modbus.TCP:
		return "the device, or the one behind a gateway"
	case unit == modbus.Broadcast:
		return "all devices of the line"
	case unit > modbus.MaxUnit:
		return "no device: 248 to 255 are reserved"
	}
	return "the device's address"
}

func functionMeaning(b []byte) (value, meaning string) {
	code := b[0] &^ exceptionBit
	name := functionWords(code)
	if b[0] != code {
		return number(int(b[0])), fmt.Sprintf("%d + 128: exception to %s", code, name)
	}
	return number(int(code)), name
}

// functionWords returns "read input registers".
func functionWords(code byte) string {
	switch name := modbus.FunctionName(code); {
	case name != "":
		return strings.ReplaceAll(name, "_", " ")
	case modbus.IsUserDefined(code):
		return "a function of the device's maker"
	case code == 0:
		return "no function"
	}
	return "not a standard function"
}

// addressMeaning tells the number that manuals give an address: most of them count
// from 1, with the table as first digit.
func addressMeaning(t modbus.Table) func(int) string {
	digit := map[modbus.Table]int{modbus.Coils: 0, modbus.DiscreteInputs: 1, modbus.InputRegisters: 3, modbus.HoldingRegisters: 4}[t]
	return func(address int) string {
		if address < 9999 {
			return fmt.Sprintf("counted from 0; manuals may say %d%04d", digit, address+1)
		}
		return fmt.Sprintf("counted from 0; manuals may say %d%05d", digit, address+1)
	}
}

func tableOf(function byte) modbus.Table {
	switch function {
	case modbus.ReadCoils, modbus.WriteSingleCoil, modbus.WriteMultipleCoils:
		return modbus.Coils
	case modbus.ReadDiscreteInputs:
		return modbus.DiscreteInputs
	case modbus.ReadInputRegisters:
		return modbus.InputRegisters
	}
	return modbus.HoldingRegisters
}

// diagnosticName names the sub-functions of function 8 [App 6.8.1].
func diagnosticName(n int) string {
	names := map[int]string{
		0: "loopback: the reply repeats the data", 1: "restart communications", 2: "diagnostic register",
		3: "change the ASCII delimiter", 4: "listen only, without an answer", 10: "clear counters and diagnostic register",
		11: "bus message count", 12: "bus communication error count", 13: "bus exception error count",
		14: "server message count", 15: "server no response count", 16: "server NAK count",
		17: "server busy count", 18: "bus character overrun count", 20: "clear overrun counter and flag",
	}
	if name, ok := names[n]; ok {
		return name
	}
	return "reserved"
}

func statusMeaning(n int) string {
	if n == 0xFFFF {
		return "still busy with an earlier command"
	}
	return "ready"
}

func meiName(mei byte) string {
	switch mei {
	case modbus.ReadDeviceIdentification:
		return "read device identification"
	case 13:
		return "CANopen"
	}
	return "reserved"
}

func identificationCode(code byte) string {
	switch code {
	case 1:
		return "basic objects"
	case 2:
		return "regular objects"
	case 3:
		return "extended objects"
	case 4:
		return "one object"
	}
	return "must be 1 to 4"
}

// objectName names the objects of a device identification [App 6.21].
func objectName(id byte) string {
	names := []string{"vendor name", "product code", "revision", "vendor URL", "product name", "model name", "user application name"}
	switch {
	case int(id) < len(names):
		return names[id]
	case id < 0x80:
		return "reserved"
	}
	return "the device's own"
}

// plural returns "1 coil" or "2 coils".
func plural(n int, t modbus.Table) string {
	name := t.String()
	if n == 1 {
		name = strings.TrimSuffix(name, "s")
	}
	return fmt.Sprintf("%d %s", n, name)
}
