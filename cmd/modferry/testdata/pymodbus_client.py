"""Reads and writes a virtual XY-MD02 with Debian's python3-pymodbus.

Argument: host:port for Modbus TCP, or the path of a serial port for RTU.
"""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient

where = sys.argv[1]
if where.startswith("/"):
    client = ModbusSerialClient(port=where, baudrate=9600, parity="N", stopbits=1, timeout=2)
else:
    host, port = where.rsplit(":", 1)
    client = ModbusTcpClient(host, port=int(port), timeout=2)
assert client.connect(), "no connection"


def good(reply):
    assert not reply.isError(), reply
    return reply


temperature, humidity = good(client.read_input_registers(1, 2, slave=1)).registers
assert 0 <= humidity <= 1000, humidity
good(client.write_register(0x0103, 10, slave=1))
good(client.write_registers(0x0103, [0, 5], slave=1))
assert good(client.read_holding_registers(0x0103, 2, slave=1)).registers == [0, 5]
refused = client.write_register(0x0103, 500, slave=1)
assert refused.isError() and refused.exception_code == 3, refused
unknown = client.read_input_registers(100, 1, slave=1)
assert unknown.isError() and unknown.exception_code == 2, unknown
function = client.read_coils(0, 1, slave=1)
assert function.isError() and function.exception_code == 1, function
client.close()
print("all good:", temperature, humidity)
