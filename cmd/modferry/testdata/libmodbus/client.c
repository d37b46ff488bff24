/* client PORT QUANTITY REQUESTS asks for so many holding registers so often on one
   connection, each time after the reply, and prints the requests per second. It uses no
   library, so that as much as possible of the time is the server's. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void exchange(int s, unsigned transaction, int quantity) {
  unsigned char frame[260] = {transaction >> 8, transaction, 0, 0, 0, 6, 1, 3, 0, 0, 0, quantity};
  int size = 9 + 2 * quantity, got = 0;

  if (write(s, frame, 12) != 12)
    die("cannot write");
  while (got < size) {
    int n = read(s, frame + got, sizeof frame - got);
    if (n <= 0)
      die("cannot read");
    got += n;
  }
  if (got != size || frame[0] != (unsigned char)(transaction >> 8) || frame[1] != (unsigned char)transaction || frame[7] != 3 || frame[8] != 2 * quantity) {
    fprintf(stderr, "no reply to this request\n");
    exit(1);
  }
}

int main(int count, char **argument) {
  struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timespec start, end;
  int one = 1, s = socket(AF_INET, SOCK_STREAM, 0), quantity, requests;

  if (count != 4)
    return 2;
  place.sin_port = htons(atoi(argument[1]));
  quantity = atoi(argument[2]);
  requests = atoi(argument[3]);
  if (connect(s, (struct sockaddr *)&place, sizeof place) < 0 || setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
    die("cannot connect");
  for (int i = 0; i < requests / 10; i++) /* to get going */
    exchange(s, i, quantity);
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (int i = 0; i < requests; i++)
    exchange(s, i, quantity);
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.0f\n", requests / ((end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9));
  return 0;
}
