#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""spool -> broker, beside what librdkafka and Kafka's own producer manage without a spool, in one run.

kafka_bench.py [--build build/release] [--runs 3] [--seconds-scale 1.0]

For each committed body: reports accepted (each synced before its answer), delivered end to end, CPU of worker
kafka per report; kafka_limit (same promises, same headers, no spool); kafka-producer-perf-test (Java,
acks=all, idempotent). min/median/max over the runs."""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BODIES = (("600 B", "report-600.json", 200000), ("2 KB", "report-2k.json", 80000), ("8 KB", "report-8k.json", 30000))


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spool_run(kafka, broker, directory, body, count, prefix):
    worker = kafka.Worker(directory, {"Brokers": broker.bootstrap, "TopicPrefix": prefix,
                                      "HeartbeatInterval": "3600", "SpoolMaxBytes": str(8 << 30)})
    worker.start().wait_ready()
    kafka.load(worker, 2000, body=body)  # connection, producer id, Java's compiler
    worker.wait_stat("spooled", lambda v: v == 0)
    worker.options["Interval"] = "1"
    base, cpu, began = worker.stats["delivered"], cpu_s(worker.process.pid), time.monotonic()
    load = kafka.load(worker, count, body=body, window=4000, first=2000, timeout=300)
    # The counter comes once a second: the topic's end says when the last one was in.
    offset_end(kafka, broker, prefix + ".reports.v1", count + base)
    took = time.monotonic() - began
    cpu = cpu_s(worker.process.pid) - cpu
    worker.wait_stat("spooled", lambda v: v == 0, 60)
    rss = worker.rss_kb()
    worker.stop()
    worker.close()
    return {"accepted/s": load["per_second"], "delivered/s": count / took, "cpu_us": cpu / count * 1e6, "rss_mb": rss / 1024}


def offset_end(kafka, broker, topic, wanted):
    consumer = kafka.Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "bench"})
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        while True:
            total = sum(consumer.get_watermark_offsets(kafka.TopicPartition(topic, p), timeout=10, cached=False)[1]
                        for p in partitions)
            if total >= wanted:
                return
            time.sleep(0.005)
    finally:
        consumer.close()


def limit_run(build, broker, body, count, topic):
    done = subprocess.run([str(build / "tests/bench/kafka_limit"), broker.bootstrap, topic, str(count), body, "lz4"],
                          capture_output=True, text=True, check=True, timeout=300)
    result = json.loads(done.stdout)
    return {"limit/s": result["per_second"], "limit_cpu_us": result["cpu_us"]}


def java_run(kafka, broker, body, count, topic):
    done = subprocess.run([str(kafka.BROKER), "tool", "org.apache.kafka.tools.ProducerPerformance", "--topic", topic,
                           "--num-records", str(count), "--payload-file", body, "--throughput", "-1", "--producer-props",
                           f"bootstrap.servers={broker.bootstrap}", "acks=all", "enable.idempotence=true",
                           "compression.type=lz4", "linger.ms=5"], capture_output=True, text=True, timeout=300)
    found = re.findall(r"([0-9.]+) records/sec", done.stdout)
    if not found:
        raise RuntimeError(done.stdout + done.stderr)
    return {"java/s": float(found[-1])}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=str(TOP / "build/release"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    build = pathlib.Path(arguments.build).resolve()
    os.environ["POSTURE_BUILD_DIR"], os.environ["POSTURE_SOURCE_DIR"] = str(build), str(TOP)
    sys.path.insert(0, str(TOP / "tests/support"))
    import kafka

    with tempfile.TemporaryDirectory(prefix="kafka-bench-") as name:
        base = pathlib.Path(name)
        broker = kafka.Broker(base / "broker", partitions=4)
        broker.start()
        try:
            for title, file, count in BODIES:
                body, count, rows = str(TOP / "tests/bench/data" / file), int(count * arguments.scale), []
                for run in range(arguments.runs):
                    prefix = f"b{len(title)}{file[7:-5]}r{run}"
                    for topic in ("reports", "incidents", "limit", "java"):
                        broker.topic(f"{prefix}.{topic}.v1", 4, **{"message.timestamp.type": "LogAppendTime"})
                    rows.append({**spool_run(kafka, broker, base / prefix, body, count, prefix),
                                 **limit_run(build, broker, body, count, f"{prefix}.limit.v1"),
                                 **java_run(kafka, broker, body, count, f"{prefix}.java.v1")})
                result = {"body": title, "reports": count}
                for key in rows[0]:
                    values = sorted(row[key] for row in rows)
                    result[key] = [round(v, 1) for v in (values[0], statistics.median(values), values[-1])]
                print(json.dumps(result), flush=True)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
