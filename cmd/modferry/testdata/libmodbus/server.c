/* A server of libmodbus: 125 holding registers for one connection after the other. It
   prints the port that the system has picked. */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

static void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
  exit(1);
}

int main(void) {
  modbus_t *ctx = modbus_new_tcp("127.0.0.1", 0);
  modbus_mapping_t *tables = modbus_mapping_new(0, 0, MODBUS_MAX_READ_REGISTERS, 0);
  int listener = ctx ? modbus_tcp_listen(ctx, 1) : -1;
  struct sockaddr_in place;
  socklen_t size = sizeof place;

  if (!tables || listener < 0 || getsockname(listener, (struct sockaddr *)&place, &size) < 0)
    die("cannot listen");
  printf("%d\n", ntohs(place.sin_port));
  fflush(stdout);
  while (modbus_tcp_accept(ctx, &listener) >= 0) {
    uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
    int n;

    while ((n = modbus_receive(ctx, request)) >= 0)
      if (n > 0 && modbus_reply(ctx, request, n, tables) < 0)
        break;
    modbus_close(ctx);
  }
  die("cannot accept");
}
