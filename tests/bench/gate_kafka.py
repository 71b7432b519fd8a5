#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What the centre's worker takes through on a real broker on this machine, and at what CPU: the input is there
before it starts, so that it is the gate that is measured. gate_kafka.py [--messages N] [--program PATH] [600 2k 8k]"""
import argparse
import json
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import centre as support  # noqa: E402
import kafka  # noqa: E402

AGENCIES, SUBJECTS = 8, 1000


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("VmRSS")) // 1024


def fill(broker, prefix, size, messages):
    body = json.loads((support.TOP / f"tests/bench/data/report-{size}.json").read_text())
    producer = support.producer(broker)
    agencies = [support.Agency(producer, f"agency{i}", body["reporter"], 24, f"{prefix}.reports.v1")
                for i in range(AGENCIES)]
    bodies = []
    for agency in agencies:
        for i in range(SUBJECTS):
            subject = f"tls://w{i:04d}.{agency.agency}.example:443"
            value = {**body, "agency": agency.agency, "subject": subject, "time": support.stamp()}
            bodies.append((agency, agency.key(subject), json.dumps(value, separators=(",", ":")).encode()))
    for i in range(messages):
        agency, key, value = bodies[i % len(bodies)]
        agency.send(key, value)
        if i % 1000 == 0:
            producer.poll(0)
    producer.flush()
    return len(bodies[0][2])


def run(broker, prefix, size, messages, program):
    for name, count in (("reports.v1", 24), ("state.v1", 24), ("rejected.v1", 1), ("evaluations.v1", 1)):
        broker.topic(f"{prefix}.{name}", count, **{"message.timestamp.type": "LogAppendTime"})
    length = fill(broker, prefix, size, messages)
    entries = [support.agency_entry(f"agency{i}", {"pattern": f"tls://*.agency{i}.example:443", "expected": SUBJECTS})
               for i in range(AGENCIES)]
    with tempfile.TemporaryDirectory() as directory:
        support.PROGRAM = program
        centre = support.Centre(directory, broker, support.registry(*entries), TopicPrefix=prefix, Group=prefix,
                                Interval="1", EvaluateInterval="5").start()
        while not centre.stats.get("accepted"):
            time.sleep(0.01)
        accepted, began, cpu = centre.stats["accepted"], time.monotonic(), cpu_s(centre.process.pid)
        while centre.stats["accepted"] < messages or centre.stats["outbox"] > 0:
            time.sleep(0.01)
        seconds, used = time.monotonic() - began, cpu_s(centre.process.pid) - cpu
        rss = rss_mib(centre.process.pid)
        centre.stop()
    done = messages - accepted
    print(f"{length:5d} B  {done / seconds:8.0f} messages/s  {used / done * 1e6:6.1f} us CPU a message "
          f"(all threads)  {used / seconds:4.2f} cores  RSS {rss} MiB", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200000)
    parser.add_argument("--program", type=pathlib.Path, default=support.PROGRAM)
    parser.add_argument("sizes", nargs="*", default=["600", "2k", "8k"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        broker = kafka.Broker(pathlib.Path(directory) / "broker").start(topics=False)
        try:
            for size in arguments.sizes:
                run(broker, f"bench{size}", size, arguments.messages, arguments.program)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
