"""Reads and writes a device behind a tunnel with Debian's python3-pymodbus.

Argument: host:port for Modbus TCP, rtu:host:port for RTU over TCP, or the path of a
serial port for RTU.
"""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.transaction import ModbusRtuFramer

where = sys.argv[1]
if where.startswith("/"):
    client = ModbusSerialClient(port=where, baudrate=9600, parity="N", stopbits=1, timeout=5)
elif where.startswith("rtu:"):
    host, port = where[4:].rsplit(":", 1)
    client = ModbusTcpClient(host, port=int(port), framer=ModbusRtuFramer, timeout=5)
else:
    host, port = where.rsplit(":", 1)
    client = ModbusTcpClient(host, port=int(port), timeout=5)
assert client.connect(), "no connection"


def good(reply):
    assert not reply.isError(), reply
    return reply


good(client.write_registers(100, [7, 8, 9], slave=1))
assert good(client.read_holding_registers(100, 3, slave=1)).registers == [7, 8, 9]
both = client.readwrite_registers(read_address=100, read_count=2, write_address=101, write_registers=[80], unit=1)
assert good(both).registers == [7, 80]
good(client.mask_write_register(address=100, and_mask=0, or_mask=0x55, unit=1))
assert good(client.read_holding_registers(100, 1, slave=1)).registers == [0x55]
good(client.write_coils(10, [True, False, True], slave=1))
assert good(client.read_coils(10, 3, slave=1)).bits[:3] == [True, False, True]
refused = client.read_holding_registers(5000, 1, slave=1)
assert refused.isError() and refused.exception_code == 2, refused
silent = client.read_holding_registers(0, 1, slave=9)
assert silent.isError() and silent.exception_code == 11, silent
client.close()
print("all good")
