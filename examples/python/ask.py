#!/usr/bin/env python3
"""Asks a gateway over MQTT: python3 ask.py [HOST [PORT [PREFIX [BUS]]]]"""
import json
import os
import queue
import sys
import uuid

import paho.mqtt.client as mqtt

defaults = ["127.0.0.1", "1883", "modferry/demo", "line"]
host, port, prefix, bus = sys.argv[1:] + defaults[len(sys.argv) - 1 :]
name = os.environ.get("CLIENT_ID", "python-example")  # this program's own, and kept
answers = queue.Queue()


def connected(client, *_):
    # Here, so that it is subscribed again after each reconnect, and before anything is asked.
    client.subscribe([(f"{prefix}/bus/{bus}/response/{name}", 1), (f"{prefix}/device/+/temperature", 1)])


def message(_client, _data, m):
    if "/response/" in m.topic:
        answers.put(json.loads(m.payload))
    else:
        print("reading", m.topic, m.payload.decode())


def ask(**request):
    """Returns the values that were read. A write raises, and says whether it may have been done."""
    request["id"] = uuid.uuid4().hex  # replies are matched by it; the same id is never executed twice
    client.publish(f"{prefix}/bus/{bus}/request/{name}", json.dumps(request), qos=1)
    while True:
        reply = answers.get(timeout=10)
        if reply["id"] != request["id"]:
            continue  # of an earlier question that was given up
        if not reply["ok"]:
            raise RuntimeError(f"{reply['error']['message']} (outcome: {reply.get('outcome', 'none')})")
        return reply.get("values")


version = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []  # paho 2 asks for it
client = mqtt.Client(*version, client_id=name)
client.username_pw_set(os.environ.get("MQTT_USERNAME"), os.environ.get("MQTT_PASSWORD"))
client.on_connect, client.on_message, client.on_subscribe = connected, message, lambda *_: answers.put({"id": "ready"})
client.connect(host, int(port), keepalive=30)
client.loop_start()
answers.get(timeout=10)  # ready

temperature, humidity = ask(unit=1, function="read_input_registers", address=1, quantity=2)
print(f"values {temperature / 10} °C, {humidity / 10} %")
try:
    ask(unit=1, function="write_single_register", address=1, values=[0])
except RuntimeError as refused:
    print("write", refused)
client.disconnect()
