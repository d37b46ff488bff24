"""Reads and writes a virtual device by pymodbus: argument 1 is a face, 2 where it is."""
import sys

from pymodbus.client import ModbusSerialClient, ModbusTcpClient, ModbusUdpClient
from pymodbus.transaction import ModbusAsciiFramer, ModbusRtuFramer

face, where = sys.argv[1:]
host, _, port = where.rpartition(":")
client = {
    "tcp": lambda: ModbusTcpClient(host, port=int(port)),
    "udp": lambda: ModbusUdpClient(host, port=int(port)),
    "rtu_over_tcp": lambda: ModbusTcpClient(host, port=int(port), framer=ModbusRtuFramer),
    "ascii_over_tcp": lambda: ModbusTcpClient(host, port=int(port), framer=ModbusAsciiFramer),
    "pty": lambda: ModbusSerialClient(where, framer=ModbusAsciiFramer, baudrate=9600),
}[face]()
assert client.connect()
assert not client.write_registers(5, [len(face), 1000], slave=1).isError()
assert client.read_holding_registers(5, 2, slave=1).registers == [len(face), 1000]
assert not client.write_coils(3, [True, False, True], slave=1).isError()
assert client.read_coils(0, 8, slave=1).bits[:8] == [False, False, False, True, False, True, False, False]
assert client.read_holding_registers(99, 2, slave=1).exception_code == 2
client.close()
