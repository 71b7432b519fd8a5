#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The whole path: spool -> broker -> gate -> state, each accepted report synced, on real parts.

    tests/bench/path_bench.py [--build build/release] [--runs 3] [--scale 1.0]

For each committed body: reports accepted a second (answered after the sync), records in the state a second (from the first
report handed in to the last record in the state topic), CPU of each part a report. Beside it in the same run, on the
same broker: kafka_limit, librdkafka's idempotent producer with the same headers and no spool, gate or state. min/median/max."""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BODIES = (("600 B", "report-600.json", 120000), ("2 KB", "report-2k.json", 40000), ("8 KB", "report-8k.json", 12000))
WARM_UP = 3000


def path_run(modules, build, broker, directory, body, count, prefix):
    kafka, centres, bench = modules
    worker = kafka.Worker(directory / "worker", {
        "Brokers": broker.bootstrap, "TopicPrefix": prefix, "HeartbeatInterval": "3600", "SpoolMaxBytes": str(8 << 30)})
    centre = centres.Centre(directory / "centre", broker, centres.registry(
        centres.agency_entry("moj", {"pattern": "tls://*.example:443", "expected": count}, max_subjects=10000000)),
        TopicPrefix=prefix, Group=prefix, EvaluateInterval="5")
    try:
        centre.start()
        worker.start().wait_ready()
        kafka.load(worker, WARM_UP, body=body, subjects=10000000)
        bench.offset_end(kafka, broker, prefix + ".state.v1", WARM_UP)
        parts = {"kafka": worker.process.pid, "centre": centre.process.pid, "broker": broker.pid()}
        cpu = {name: bench.cpu_s(pid) for name, pid in parts.items()}
        before, began = end_of(bench, kafka, broker, prefix), time.monotonic()
        load = kafka.load(worker, count, body=body, window=4000, first=WARM_UP, subjects=10000000, timeout=600)
        bench.offset_end(kafka, broker, prefix + ".state.v1", before + count)
        took = time.monotonic() - began
        row = {"accepted/s": load["per_second"], "state/s": count / took}
        for name, pid in parts.items():
            row[f"{name}_cpu_us"] = (bench.cpu_s(pid) - cpu[name]) / count * 1e6
        row["centre_rss_mb"] = rss_mb(centre.process.pid)
        row["kafka_rss_mb"] = worker.rss_kb() / 1024
        if load["stored"] != count or load["refused"]:
            raise RuntimeError(f"not everything was stored: {load}")
        return row
    finally:
        worker.close()
        centre.close()


def end_of(bench, kafka, broker, prefix):
    consumer = kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "bench"})
    topic = prefix + ".state.v1"
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(consumer.get_watermark_offsets(kafka.TopicPartition(topic, p), timeout=10, cached=False)[1]
                   for p in partitions)
    finally:
        consumer.close()


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build/release"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    build = pathlib.Path(arguments.build).resolve()
    os.environ["POSTURE_BUILD_DIR"], os.environ["POSTURE_SOURCE_DIR"] = str(build), str(TOP)
    sys.path[:0] = [str(TOP / "tests/support"), str(TOP / "tests/bench")]
    import centre as centres
    import kafka
    import kafka_bench as bench

    with tempfile.TemporaryDirectory(prefix="path-bench-") as name:
        base = pathlib.Path(name)
        broker = kafka.Broker(base / "broker", partitions=4).start(topics=False)
        try:
            for title, file, count in BODIES:
                body, count, rows = str(TOP / "tests/bench/data" / file), int(count * arguments.scale), []
                for run in range(arguments.runs):
                    prefix = f"p{file[7:-5]}r{run}"
                    for topic in ("reports", "incidents", "state", "evaluations", "rejected", "limit"):
                        more = {"cleanup.policy": "compact"} if topic in ("state", "evaluations") else {}
                        broker.topic(f"{prefix}.{topic}.v1", 4, **{"message.timestamp.type": "LogAppendTime", **more})
                    row = path_run((kafka, centres, bench), build, broker, base / prefix, body, count, prefix)
                    row.update(bench.limit_run(build, broker, body, count, f"{prefix}.limit.v1"))
                    rows.append(row)
                result = {"body": title, "reports": count}
                for key in rows[0]:
                    values = sorted(row[key] for row in rows)
                    result[key] = [round(v, 1) for v in (values[0], statistics.median(values), values[-1])]
                print(json.dumps(result), flush=True)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
