// Reads and writes a device with npm modbus-serial, over Modbus TCP. Argument: host:port.
import ModbusRTU from "modbus-serial";

const [host, port] = process.argv[2].split(":");
const client = new ModbusRTU();
client.setTimeout(5000);
await client.connectTCP(host, { port: Number(port) });
client.setID(1);

const equal = (got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
};
await client.writeRegisters(300, [1, 2, 65535]);
equal((await client.readHoldingRegisters(300, 3)).data, [1, 2, 65535]);
await client.writeCoil(5, true);
equal((await client.readCoils(5, 1)).data[0], true);
// Several at once, which the library sends without waiting.
const registers = [300, 301, 302];
const replies = await Promise.all(registers.map((r) => client.readHoldingRegisters(r, 1)));
equal(replies.map((r) => r.data[0]), [1, 2, 65535]);
const refused = await client.readHoldingRegisters(5000, 1).catch((e) => e);
equal(refused.modbusCode, 2);
client.setID(9);
const silent = await client.readHoldingRegisters(0, 1).catch((e) => e);
equal(silent.modbusCode, 11);
client.close(() => console.log("all good"));
