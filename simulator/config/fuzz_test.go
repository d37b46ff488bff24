package config

import (
	"strings"
	"testing"

	"modferry/modbus"
)

// Whatever a list of registers says, it is refused in words, or gives registers that a
// device can have, unless two of them are in each other's way.
func FuzzRegisters(f *testing.F) {
	for _, text := range []string{
		"table,address,type,value,access\nholding,0x10,int16,-20,rw\ncoil,5,,on,ro:3\ninput,1,,0xBEEF,\n",
		"address,table,count,name,type\n1,holding,4,a b,string\n",
		"table,address,name,value\nholding,1,\"a: {\n\",\"}\"\n",
		"\ufefftable,address\nholding,1\nholding,1\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		registers, err := parseRegisters(strings.NewReader(text))
		if err != nil {
			if err.Error() == "" || len(registers) > 0 {
				t.Fatalf("%d registers, %q", len(registers), err)
			}
			return
		}
		if len(registers) == 0 {
			t.Fatal("no registers, and no reason")
		}
		for _, r := range registers {
			if err := r.Check(); err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
			if r.Table == modbus.InputRegisters && !r.ReadOnly {
				t.Fatalf("an input register can be written: %+v", r)
			}
		}
	})
}
