/* tunnel PORT | PATH reads and writes a device behind a tunnel with libmodbus, over
   Modbus TCP on loopback or RTU on a serial port. */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WANT(what) \
  do { \
    if (!(what)) { \
      fprintf(stderr, "line %d: %s: %s\n", __LINE__, #what, modbus_strerror(errno)); \
      return 1; \
    } \
  } while (0)

int main(int count, char **argument) {
  const uint16_t values[] = {11, 22, 33}, changed[] = {44};
  uint16_t got[3];
  uint8_t bits[3] = {1, 0, 1}, read[3];
  modbus_t *m;

  if (count != 2)
    return 2;
  m = argument[1][0] == '/' ? modbus_new_rtu(argument[1], 9600, 'N', 8, 1) : modbus_new_tcp("127.0.0.1", atoi(argument[1]));
  WANT(m != NULL);
  modbus_set_response_timeout(m, 5, 0);
  WANT(modbus_set_slave(m, 1) == 0);
  WANT(modbus_connect(m) == 0);
  WANT(modbus_write_registers(m, 200, 3, values) == 3);
  WANT(modbus_read_registers(m, 200, 3, got) == 3 && memcmp(got, values, sizeof got) == 0);
  WANT(modbus_write_and_read_registers(m, 201, 1, changed, 200, 2, got) == 2 && got[0] == 11 && got[1] == 44);
  WANT(modbus_write_bits(m, 20, 3, bits) == 3);
  WANT(modbus_read_bits(m, 20, 3, read) == 3 && memcmp(read, bits, 3) == 0);
  WANT(modbus_read_registers(m, 5000, 1, got) == -1 && errno == EMBXILADD);
  WANT(modbus_set_slave(m, 9) == 0);
  WANT(modbus_read_registers(m, 0, 1, got) == -1 && errno == EMBXGTAR);
  modbus_close(m);
  modbus_free(m);
  puts("all good");
  return 0;
}
