"""Asks by libmodbus what its own test asks: argument 1 is tcp or rtu, 2 the port or the path."""
import ctypes
import sys
import time

lib = ctypes.CDLL("libmodbus.so.5", use_errno=True)
lib.modbus_new_tcp.restype = lib.modbus_new_rtu.restype = ctypes.c_void_p
lib.modbus_strerror.restype = ctypes.c_char_p

tcp = sys.argv[1] == "tcp"
if tcp:
    line = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", int(sys.argv[2])))
else:
    line = ctypes.c_void_p(lib.modbus_new_rtu(sys.argv[2].encode(), 115200, ctypes.c_char(b"N"), 8, 1))
    lib.modbus_set_slave(line, 17)
lib.modbus_set_response_timeout(line, 5, 0)
assert lib.modbus_connect(line) == 0
registers, bits = (ctypes.c_uint16 * 128)(), (ctypes.c_uint8 * 2048)()


def ask(want, function, *arguments):
    """want is what is returned, or a part of the error."""
    ctypes.set_errno(0)
    got = getattr(lib, "modbus_" + function)(line, *arguments)
    error = lib.modbus_strerror(ctypes.get_errno()).decode()
    if got != want and (got != -1 or str(want) not in error):
        sys.exit(f"{function} {arguments}: {got} ({error}), want {want}")


ask(1, "write_register", 0x160, 0x1234)
ask(1, "read_registers", 0x160, 1, registers)
assert registers[0] == 0x1234
ask(3, "write_registers", 0x160, 3, (ctypes.c_uint16 * 3)(0x22B, 1, 0x64))
ask(3, "read_registers", 0x160, 3, registers)
assert registers[:3] == [0x22B, 1, 0x64]
ask(3, "write_and_read_registers", 0x161, 2, (ctypes.c_uint16 * 2)(), 0x160, 3, registers)
assert registers[:3] == [0x22B, 0, 0]
ask(1, "mask_write_register", 0x160, 0xF2, 0x25)
ask(0x25, "write_bits", 0x130, 0x25, (ctypes.c_uint8 * 0x25)(*[1] * 0x25))
ask(0x25, "read_bits", 0x130, 0x25, bits)
assert bits[:0x25] == [1] * 0x25
ask(0x16, "read_input_bits", 0x1C4, 0x16, bits)
assert bits[:8] == [0, 0, 1, 1, 0, 1, 0, 1]
ask(1, "read_input_registers", 0x108, 1, registers)
assert registers[0] == 0x0A
ask(11, "report_slave_id", 128, bits)
assert bytes(bits[:5]) == b"\xb4\xffLMB"
ask("Illegal data address", "read_registers", 0x160, 0x21, registers)
ask("Invalid data", "read_registers", 0x160, 2, registers)
ask("busy", "read_registers", 0x170, 3, registers)
ask("Illegal data value", "write_register", 0x170, 1)
ask("Illegal data value", "write_bit", 0x132, 1)
ask("Invalid data" if tcp else "not from requested", "read_registers", 0x171, 1, registers)
lib.modbus_flush(line)
start = time.monotonic()
ask(1, "read_registers", 0x172, 1, registers)
assert time.monotonic() - start >= 0.5
ask(1, "read_registers", 0x173, 1, registers)
lib.modbus_set_slave(line, 24)
if tcp:
    ask(3, "read_registers", 0x160, 3, registers)
else:
    lib.modbus_set_response_timeout(line, 0, 100000)
    ask("timed out", "read_registers", 0x160, 3, registers)
