#!/bin/sh
# Asks a gateway with nothing but curl: sh ask.sh [URL [BUS]]
# Where the gateway has users: CURL_AUTH=name:password
set -eu
url=${1:-http://127.0.0.1:8080} bus=${2:-line}
ask() { curl -sS ${CURL_AUTH:+-u "$CURL_AUTH"} "$@"; }

# All readings, and one.
ask "$url/api/readings" && echo
ask "$url/api/device/sensor/temperature" && echo

# A request as hex digits, as JSON, and as bytes: the reply has the same form. Without an
# id: the same request with the same one would be answered from memory for ten minutes.
ask "$url/api/bus/$bus/request" -d '01 04 00 01 00 02' && echo
ask "$url/api/bus/$bus/request" -d '{"unit":1,"function":4,"address":1,"quantity":2}' && echo
printf '\001\004\000\001\000\002\040\013' | ask "$url/api/bus/$bus/request" --data-binary @- | od -An -tx1

# A write that the rules do not allow. The status and two headers say what became of it.
ask "$url/api/bus/$bus/request" -d '01 06 00 01 00 00' -o /dev/null \
  -w '%{http_code} %header{modferry-code} %header{modferry-outcome}\n'
