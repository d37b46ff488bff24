package modbustest

import (
	"slices"

	"modferry/modbus"
)

// whole returns requests and replies without fault: the examples of the
// specification [App 6], and what real sensors say.
func whole() []Case {
	return slices.Concat(single(), diagnostics(), several(), sensors(), special(), inASCII(), inTCP(), bare())
}

// single returns reads, and writes of one value.
func single() []Case {
	return []Case{
		request("read coils", modbus.RTU, "1101001300138E92",
			adu(0, 17, "0100130013"), "read coils reply"),
		reply("read coils reply", modbus.RTU, "110103CD6B054012",
			adu(0, 17, "0103CD6B05")),
		request("read discrete inputs", modbus.RTU, "110200C40016BAA9",
			adu(0, 17, "0200C40016"), "read discrete inputs reply"),
		reply("read discrete inputs reply", modbus.RTU, "110203ACDB352018",
			adu(0, 17, "0203ACDB35")),
		request("read holding registers", modbus.RTU, "1103006B00037687",
			adu(0, 17, "03006B0003"), "read holding registers reply"),
		reply("read holding registers reply", modbus.RTU, "110306022B00000064C8BA",
			adu(0, 17, "0306022B00000064")),
		request("read input registers", modbus.RTU, "010400010002200B",
			adu(0, 1, "0400010002"), "read input registers reply"),
		reply("read input registers reply", modbus.RTU, "010404013102222ACE",
			adu(0, 1, "040401310222")),
		request("write single coil", modbus.RTU, "010500ACFF004C1B",
			adu(0, 1, "0500ACFF00"), "write single coil reply"),
		reply("write single coil reply", modbus.RTU, "010500ACFF004C1B",
			adu(0, 1, "0500ACFF00")),
		request("write single coil off", modbus.RTU, "010500AC00000DEB",
			adu(0, 1, "0500AC0000"), "write single coil off reply"),
		reply("write single coil off reply", modbus.RTU, "010500AC00000DEB",
			adu(0, 1, "0500AC0000")),
		request("write single register", modbus.RTU, "010600010003980B",
			adu(0, 1, "0600010003"), "write single register reply"),
		reply("write single register reply", modbus.RTU, "010600010003980B",
			adu(0, 1, "0600010003")),
	}
}

// diagnostics returns what only serial lines have.
func diagnostics() []Case {
	return []Case{
		request("read exception status", modbus.RTU, "11074C22",
			adu(0, 17, "07"), "read exception status reply"),
		reply("read exception status reply", modbus.RTU, "11076DE218",
			adu(0, 17, "076D")),
		request("loopback", modbus.RTU, "01080000A537DA8D",
			adu(0, 1, "080000A537"), "loopback reply"),
		reply("loopback reply", modbus.RTU, "01080000A537DA8D",
			adu(0, 1, "080000A537")),
		request("loopback of two words", modbus.RTU, "01080000A53712349672",
			adu(0, 1, "080000A5371234"), "loopback of two words reply"),
		reply("loopback of two words reply", modbus.RTU, "01080000A53712349672",
			adu(0, 1, "080000A5371234")),
		request("get comm event counter", modbus.RTU, "110B4C27",
			adu(0, 17, "0B"), "get comm event counter reply"),
		reply("get comm event counter reply", modbus.RTU, "110BFFFF0108A6E9",
			adu(0, 17, "0BFFFF0108")),
		request("get comm event log", modbus.RTU, "110C0DE5",
			adu(0, 17, "0C"), "get comm event log reply"),
		reply("get comm event log reply", modbus.RTU, "110C0800000108012120005901",
			adu(0, 17, "0C080000010801212000")),
	}
}

// several returns writes of several values, and functions that few devices have.
func several() []Case {
	return []Case{
		request("write multiple coils", modbus.RTU, "010F0013000A02CD0172CB",
			adu(0, 1, "0F0013000A02CD01"), "write multiple coils reply"),
		reply("write multiple coils reply", modbus.RTU, "010F0013000A2409",
			adu(0, 1, "0F0013000A")),
		request("write multiple registers", modbus.RTU, "01100001000204000A01029230",
			adu(0, 1, "100001000204000A0102"), "write multiple registers reply"),
		reply("write multiple registers reply", modbus.RTU, "0110000100021008",
			adu(0, 1, "1000010002")),
		request("report server id", modbus.RTU, "1111CDEC",
			adu(0, 17, "11"), "report server id reply"),
		reply("report server id reply", modbus.RTU, "111103AAFF015F0D",
			adu(0, 17, "1103AAFF01")),
		request("read file record", modbus.RTU, "11140E0600040001000206000300090002F938",
			adu(0, 17, "140E0600040001000206000300090002"), "read file record reply"),
		reply("read file record reply", modbus.RTU, "11140C05060DFE0020050633CD004069AD",
			adu(0, 17, "140C05060DFE0020050633CD0040")),
		request("write file record", modbus.RTU, "11150D0600040007000306AF04BE100DDBC7",
			adu(0, 17, "150D0600040007000306AF04BE100D"), "write file record reply"),
		reply("write file record reply", modbus.RTU, "11150D0600040007000306AF04BE100DDBC7",
			adu(0, 17, "150D0600040007000306AF04BE100D")),
		request("mask write register", modbus.RTU, "0116000400F2002567EE",
			adu(0, 1, "16000400F20025"), "mask write register reply"),
		reply("mask write register reply", modbus.RTU, "0116000400F2002567EE",
			adu(0, 1, "16000400F20025")),
		request("read/write multiple registers", modbus.RTU, "011700030006000E00030600FF00FF00FF4691",
			adu(0, 1, "1700030006000E00030600FF00FF00FF"), "read/write multiple registers reply"),
		reply("read/write multiple registers reply", modbus.RTU, "01170C00FE0ACD00010003000D00FF1D79",
			adu(0, 1, "170C00FE0ACD00010003000D00FF")),
		request("read FIFO queue", modbus.RTU, "111804DE0787",
			adu(0, 17, "1804DE"), "read FIFO queue reply"),
		reply("read FIFO queue reply", modbus.RTU, "11180006000201B81284188D",
			adu(0, 17, "180006000201B81284")),
		request("read device identification", modbus.RTU, "012B0E01007077",
			adu(0, 1, "2B0E0100"), "read device identification reply"),
		reply("read device identification reply", modbus.RTU, "012B0E0101000003000441636D6501055844303032020456312E30FD02",
			adu(0, 1, "2B0E0101000003000441636D6501055844303032020456312E30")),
		request("vendor function", modbus.RTU, "0541010203EC9D",
			adu(0, 5, "41010203"), "vendor function reply"),
		reply("vendor function reply", modbus.RTU, "0541AABB6E2F",
			adu(0, 5, "41AABB")),
	}
}

// sensors returns what real sensors say.
func sensors() []Case {
	return []Case{
		request("XY-MD02 temperature", modbus.RTU, "010400010001600A",
			adu(0, 1, "0400010001"), "XY-MD02 temperature reply"),
		reply("XY-MD02 temperature reply", modbus.RTU, "01040201317974",
			adu(0, 1, "04020131")),
		reply("XY-MD02 temperature below zero reply", modbus.RTU, "010402FF33B8D5",
			adu(0, 1, "0402FF33")),
		request("XY-MD02 correction", modbus.RTU, "01060103000AF831",
			adu(0, 1, "060103000A"), "XY-MD02 correction reply"),
		reply("XY-MD02 correction reply", modbus.RTU, "01060103000AF831",
			adu(0, 1, "060103000A")),
		request("XY-MD02 address", modbus.RTU, "010601010008D830",
			adu(0, 1, "0601010008"), "XY-MD02 address reply"),
		reply("XY-MD02 address reply", modbus.RTU, "010601010008D830",
			adu(0, 1, "0601010008")),
		request("RS-WS-N01 both", modbus.RTU, "010300000002C40B",
			adu(0, 1, "0300000002"), "RS-WS-N01 both reply"),
		reply("RS-WS-N01 both reply", modbus.RTU, "0103040292FF9B5A3D",
			adu(0, 1, "03040292FF9B")),
		request("R4DCB08 first probe", modbus.RTU, "010300000001840A",
			adu(0, 1, "0300000001"), "R4DCB08 first probe reply"),
		reply("R4DCB08 first probe reply", modbus.RTU, "01030200DBF81F",
			adu(0, 1, "030200DB")),
		reply("minus 20.0 degrees reply", modbus.RTU, "010402FF38F912",
			adu(0, 1, "0402FF38")),
	}
}

// special returns exceptions, a broadcast, and units that look like the beginning of a text.
func special() []Case {
	return []Case{
		reply("exception 10 reply", modbus.RTU, "01830AC137",
			adu(0, 1, "830A")),
		reply("exception 11 reply", modbus.RTU, "01830B00F7",
			adu(0, 1, "830B")),
		reply("exception 2 of a write reply", modbus.RTU, "018602C3A1",
			adu(0, 1, "8602")),
		request("broadcast write", modbus.RTU, "00060001000399DA",
			adu(0, 0, "0600010003"), ""),
		request("unit 91, first byte '['", modbus.RTU, "5B04000100022CF1",
			adu(0, 91, "0400010002"), ""),
		request("unit 123, first byte '{'", modbus.RTU, "7B04000100022B91",
			adu(0, 123, "0400010002"), ""),
	}
}

// inASCII returns frames of Modbus ASCII.
func inASCII() []Case {
	return []Case{
		request("ASCII read holding registers", modbus.ASCII, ":1103006B00037E",
			adu(0, 17, "03006B0003"), "ASCII read holding registers reply"),
		reply("ASCII read holding registers reply", modbus.ASCII, ":110306022B0000006455",
			adu(0, 17, "0306022B00000064")),
		request("ASCII read input registers", modbus.ASCII, ":010400010002F8",
			adu(0, 1, "0400010002"), "ASCII read input registers reply"),
		reply("ASCII read input registers reply", modbus.ASCII, ":01040401310222A1",
			adu(0, 1, "040401310222")),
		request("ASCII write single register", modbus.ASCII, ":010600010003F5",
			adu(0, 1, "0600010003"), "ASCII write single register reply"),
		reply("ASCII write single register reply", modbus.ASCII, ":010600010003F5",
			adu(0, 1, "0600010003")),
		request("ASCII write multiple coils", modbus.ASCII, ":010F0013000A02CD0103",
			adu(0, 1, "0F0013000A02CD01"), "ASCII write multiple coils reply"),
		reply("ASCII write multiple coils reply", modbus.ASCII, ":010F0013000AD3",
			adu(0, 1, "0F0013000A")),
		reply("ASCII exception 2 reply", modbus.ASCII, ":01840279",
			adu(0, 1, "8402")),
	}
}

// inTCP returns frames of Modbus TCP.
func inTCP() []Case {
	return []Case{
		request("TCP read input register", modbus.TCP, "150100000006FF0300040001",
			adu(0x1501, 255, "0300040001"), "TCP read input register reply"),
		reply("TCP read input register reply", modbus.TCP, "150100000005FF03020005",
			adu(0x1501, 255, "03020005")),
		request("TCP read coils", modbus.TCP, "000100000006110100130013",
			adu(0x1, 17, "0100130013"), "TCP read coils reply"),
		reply("TCP read coils reply", modbus.TCP, "000100000006110103CD6B05",
			adu(0x1, 17, "0103CD6B05")),
		request("TCP write single coil", modbus.TCP, "000500000006010500ACFF00",
			adu(0x5, 1, "0500ACFF00"), "TCP write single coil reply"),
		reply("TCP write single coil reply", modbus.TCP, "000500000006010500ACFF00",
			adu(0x5, 1, "0500ACFF00")),
		request("TCP loopback", modbus.TCP, "00090000000601080000A537",
			adu(0x9, 1, "080000A537"), "TCP loopback reply"),
		reply("TCP loopback reply", modbus.TCP, "00090000000601080000A537",
			adu(0x9, 1, "080000A537")),
		request("TCP write multiple registers", modbus.TCP, "000E0000000B01100001000204000A0102",
			adu(0xe, 1, "100001000204000A0102"), "TCP write multiple registers reply"),
		reply("TCP write multiple registers reply", modbus.TCP, "000E00000006011000010002",
			adu(0xe, 1, "1000010002")),
		request("TCP report server id", modbus.TCP, "000F000000021111",
			adu(0xf, 17, "11"), "TCP report server id reply"),
		reply("TCP report server id reply", modbus.TCP, "000F00000006111103AAFF01",
			adu(0xf, 17, "1103AAFF01")),
		request("TCP mask write register", modbus.TCP, "0012000000080116000400F20025",
			adu(0x12, 1, "16000400F20025"), "TCP mask write register reply"),
		reply("TCP mask write register reply", modbus.TCP, "0012000000080116000400F20025",
			adu(0x12, 1, "16000400F20025")),
		request("TCP read/write multiple registers", modbus.TCP, "001300000011011700030006000E00030600FF00FF00FF",
			adu(0x13, 1, "1700030006000E00030600FF00FF00FF"), "TCP read/write multiple registers reply"),
		reply("TCP read/write multiple registers reply", modbus.TCP, "00130000000F01170C00FE0ACD00010003000D00FF",
			adu(0x13, 1, "170C00FE0ACD00010003000D00FF")),
		request("TCP read device identification", modbus.TCP, "001500000005012B0E0100",
			adu(0x15, 1, "2B0E0100"), "TCP read device identification reply"),
		reply("TCP read device identification reply", modbus.TCP, "00150000001B012B0E0101000003000441636D6501055844303032020456312E30",
			adu(0x15, 1, "2B0E0101000003000441636D6501055844303032020456312E30")),
		reply("TCP exception 2 reply", modbus.TCP, "000700000003018402",
			adu(0x7, 1, "8402")),
	}
}

// bare returns requests without a check code.
func bare() []Case {
	return []Case{
		request("bare read input registers", modbus.Bare, "010400010002",
			adu(0, 1, "0400010002"), ""),
		request("bare write single coil", modbus.Bare, "010500ACFF00",
			adu(0, 1, "0500ACFF00"), ""),
		request("bare write multiple coils", modbus.Bare, "010F0013000A02CD01",
			adu(0, 1, "0F0013000A02CD01"), ""),
		request("bare read/write multiple registers", modbus.Bare, "011700030006000E00030600FF00FF00FF",
			adu(0, 1, "1700030006000E00030600FF00FF00FF"), ""),
	}
}
