# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Worker kafka on a real Apache Kafka broker: what arrives, and what survives."""
import collections
import json
import os
import pathlib
import random
import sys
import time

import jsonschema
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import kafka  # noqa: E402

pytestmark = pytest.mark.skipif(not kafka.java_is_here(), reason="no Java")
OUTAGE_S = float(os.environ.get("POSTURE_OUTAGE_S", "15"))
REPORTS = "posture.reports.v1"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def prefix(broker, request):
    """Topics of its own for each test, so that what they count is theirs."""
    name = "t" + str(abs(hash(request.node.name)) % 10**8)
    for topic in ("reports", "incidents"):
        broker.topic(f"{name}.{topic}.v1", 4, **{"message.timestamp.type": "LogAppendTime"})
    return name


@pytest.fixture
def worker(broker, prefix, tmp_path):
    worker = kafka.Worker(tmp_path / "w", {"Brokers": broker.bootstrap, "TopicPrefix": prefix})
    worker.start().wait_ready()
    assert worker.refused is None
    yield worker
    worker.close()


def murmur2(data):
    """org.apache.kafka.common.utils.Utils.murmur2, written from its Java source."""
    m, mask = 0x5bd1e995, 0xffffffff
    h = (0x9747b28c ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i:i + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    if data[whole:]:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def sequences_are_whole(messages):
    """Numbers from 1 on without a gap, per epoch."""
    epochs = collections.defaultdict(set)
    for message in messages:
        epochs[message.headers["posture-epoch"]].add(int(message.headers["ce_sequence"]))
    return all(numbers == set(range(1, len(numbers) + 1)) for numbers in epochs.values())


def balance(stats):
    return stats["accepted"] == sum(stats[name] for name in
                                    ("delivered", "spooled", "evicted", "refused", "corrupt", "quarantined"))


def test_messages_are_cloudevents(broker, worker, prefix):
    assert kafka.load(worker, 500)["stored"] == 500
    worker.wait_stat("delivered", lambda v: v == 501)
    messages = kafka.read_topic(broker.bootstrap, prefix + ".reports.v1")
    numbers, duplicates = kafka.reports_of(messages)
    assert numbers == list(range(500)) and duplicates == 0
    assert sequences_are_whole(messages)
    # One agency, one partition; the same that a Java client would choose.
    assert {m.partition for m in messages} == {(murmur2(b"moj") & 0x7fffffff) % 4}
    for message in messages:
        headers, body = message.headers, json.loads(message.value)
        assert headers["ce_specversion"] == "1.0" and headers["content-type"] == "application/json"
        assert headers["ce_source"] == "//moj/noc1.moj.example"
        assert headers["ce_id"] == body["id"] and len(headers["ce_sequence"]) == 20
        assert message.key == "|".join((body["agency"], body["reporter"], body["kind"], body["subject"]))
        kind = "heartbeat" if body["kind"] == "reporter" else "report"
        assert headers["ce_type"] == f"posture.{kind}.v1"
        assert message.timestamp_type == 2  # LogAppendTime
    assert worker.stats["rtt"] != 0 and balance(worker.stats)


def test_heartbeat_is_a_report(broker, prefix, tmp_path):
    worker = kafka.Worker(tmp_path / "w", {"Brokers": broker.bootstrap, "TopicPrefix": prefix,
                                           "HeartbeatInterval": "1"})
    worker.start().wait_ready()
    worker.wait_stat("delivered", lambda v: v >= 2)
    worker.stop()
    schema_dir = kafka.TOP / "schemas"
    schema = json.loads((schema_dir / "report.v1.schema.json").read_text())
    store = {json.loads(p.read_text())["$id"]: json.loads(p.read_text())
             for p in schema_dir.rglob("*.schema.json")}
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=store)
    messages = kafka.read_topic(broker.bootstrap, prefix + ".reports.v1")
    assert len(messages) >= 2
    for message in messages:
        body = json.loads(message.value)
        jsonschema.Draft202012Validator(schema, resolver=resolver).validate(body)
        assert body["subject"] == "reporter://noc1.moj.example" and body["interval_s"] == 1
    last = json.loads(messages[-1].value)["facts"]["reporter"]
    assert last["kafka"]["connected"] is True and last["spool"]["accepted"] >= 1


def test_broker_away_loses_nothing(broker, worker, prefix):
    """SIGKILL of the broker under load, away, and back on the same data."""
    rate, seconds = 2000, OUTAGE_S + 6
    load = kafka.load_start(worker, int(rate * seconds), rate=rate)
    time.sleep(3)
    before_kb = worker.rss_kb()
    broker.kill()
    time.sleep(OUTAGE_S)
    worker.wait_stat("spooled", lambda v: v > rate * OUTAGE_S / 2)
    away_kb = worker.rss_kb()
    broker.start(topics=False)
    result = kafka.load_result(load)
    assert result["stored"] == int(rate * seconds) and result["refused"] == 0
    worker.wait_stat("spooled", lambda v: v == 0, 60)
    messages = kafka.read_topic(broker.bootstrap, prefix + ".reports.v1")
    numbers, duplicates = kafka.reports_of(messages)
    print(f"away {OUTAGE_S} s: {len(set(numbers))} of {result['stored']}, {duplicates} twice, "
          f"memory {before_kb} -> {away_kb} kB")
    assert set(numbers) == set(range(result["stored"]))
    assert sequences_are_whole(messages) and balance(worker.stats)
    if not os.environ.get("POSTURE_SANITIZE"):  # whose quarantine is memory too
        assert away_kb - before_kb < 80 * 1024  # librdkafka's small queue, whatever the spool holds
    warnings = [text for level, text in worker.logs if level == "warning"]
    assert len(warnings) == 1 and "no broker answers" in warnings[0]
    assert any("answer again" in text for _, text in worker.logs)


def test_worker_killed_at_random_instants(broker, worker, prefix):
    """20 times SIGKILL while producing: nothing lost, only unanswered numbers again."""
    seed = int(os.environ.get("POSTURE_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print("seed", seed)
    load = kafka.load_start(worker, 40000, rate=3000, window=1000)
    for _ in range(20):
        time.sleep(chance.uniform(0.05, 0.6))
        worker.kill()
        worker.start().wait_ready()
    result = kafka.load_result(load)
    assert result["stored"] == 40000
    worker.wait_stat("spooled", lambda v: v == 0, 60)
    messages = kafka.read_topic(broker.bootstrap, prefix + ".reports.v1")
    numbers, duplicates = kafka.reports_of(messages)
    print(f"{len(messages)} messages, {duplicates} resent with their numbers, {result['reconnects']} reconnects")
    assert set(numbers) == set(range(40000))
    assert sequences_are_whole(messages) and balance(worker.stats)


def test_stop_while_broker_is_away(tmp_path_factory, tmp_path):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker-away"), partitions=4)
    broker.start()
    try:
        worker = kafka.Worker(tmp_path / "w", {"Brokers": broker.bootstrap})
        worker.start().wait_ready()
        kafka.load(worker, 1000)
        worker.wait_stat("spooled", lambda v: v == 0)
        broker.kill()
        assert kafka.load(worker, 7000, first=1000)["stored"] == 7000
        took = worker.stop()
        assert took < 5 and worker.process.returncode == 0
        worker.start().wait_ready()  # and a start without a broker
        worker.wait_stat("spooled", lambda v: v >= 7000)
        broker.start(topics=False)
        worker.wait_stat("spooled", lambda v: v == 0)
        worker.stop()
        messages = kafka.read_topic(broker.bootstrap, REPORTS)
        numbers, duplicates = kafka.reports_of(messages)
        print(f"stopped in {took:.2f} s; {duplicates} twice")
        assert set(numbers) == set(range(8000)) and sequences_are_whole(messages)
        assert len({m.headers["posture-epoch"] for m in messages}) == 1
    finally:
        broker.stop()


def test_too_large_is_refused_and_its_number_used(broker, tmp_path):
    name = f"small{os.getpid()}"
    broker.topic(f"{name}.reports.v1", 4, **{"max.message.bytes": "8192"})
    broker.topic(f"{name}.incidents.v1", 4)
    worker = kafka.Worker(tmp_path / "w", {"Brokers": broker.bootstrap, "TopicPrefix": name,
                                           "Compression": "none"})
    worker.start().wait_ready()
    try:
        assert kafka.load(worker, 300, size=600)["stored"] == 300
        assert kafka.load(worker, 1, size=20000, first=300)["stored"] == 1
        assert kafka.load(worker, 300, size=600, first=301)["stored"] == 300
        worker.wait_stat("spooled", lambda v: v == 0, 60)
        assert worker.stats["refused"] == 1
        # The number of the refused one arrives as a heartbeat that says what it stands for.
        deadline = time.monotonic() + 20
        while True:
            messages = kafka.read_topic(broker.bootstrap, f"{name}.reports.v1")
            if sequences_are_whole(messages) or time.monotonic() > deadline:
                break
            time.sleep(0.3)
        assert sequences_are_whole(messages)
        numbers, _ = kafka.reports_of(messages)
        assert set(numbers) == set(range(601)) - {300}
        stand_ins = [json.loads(m.value)["facts"]["reporter"]["replaces"] for m in messages
                     if b'"replaces"' in m.value]
        assert len(stand_ins) == 1 and stand_ins[0]["key"].endswith("tls://s0000300.example:443")
        assert "large" in stand_ins[0]["reason"].lower()
        assert balance(worker.stats)
        assert any("refused" in n[1] for n in worker.notifications)
    finally:
        worker.close()


def test_missing_topic_is_waited_for(broker, tmp_path):
    name = f"late{os.getpid()}"
    worker = kafka.Worker(tmp_path / "w", {"Brokers": broker.bootstrap, "TopicPrefix": name},
                          properties=(("topic.metadata.propagation.max.ms", "1000"),))
    worker.start().wait_ready()
    try:
        assert kafka.load(worker, 200)["stored"] == 200
        worker.wait_stat("recreated", lambda v: v >= 1)
        assert any(f"{name}.reports.v1" in text for level, text in worker.logs if level == "warning")
        assert worker.stats["refused"] == 0 and worker.stats["delivered"] == 0
        broker.topic(f"{name}.reports.v1", 4)
        worker.wait_stat("spooled", lambda v: v == 0)
        numbers, duplicates = kafka.reports_of(kafka.read_topic(broker.bootstrap, f"{name}.reports.v1"))
        assert numbers == list(range(200)) and duplicates == 0
    finally:
        worker.close()


@pytest.mark.parametrize("options, properties, expected", [
    ({"Agency": "MOJ"}, (), "option Agency"),
    ({"Reporter": "a b"}, (), "option Reporter"),
    ({"SpoolDir": "spool"}, (), "absolute path"),
    ({"SpoolDir": "/nonexistent/x/spool"}, (), "No such file or directory"),
    ({"Security": "ssl"}, (), "Security"),
    ({"Security": "tls", "TLSCACert": "/nonexistent.pem"}, (), "TLSCACert"),
    ({"Security": "tls", "TLSCACert": "/etc/hostname"}, (), "Kafka connection"),
    ({"Security": "sasl_tls", "SASLUser": "moj"}, (), "SASLPasswordFile"),
    ({"Security": "sasl_tls", "SASLUser": "moj", "SASLPasswordFile": "/nonexistent"}, (), "/nonexistent"),
    ({"TLSCert": "/etc/hostname"}, (), "not plaintext"),
    ({}, (("acks", "1"),), "in-sync"),
    ({}, (("enable.ssl.certificate.verification", "false"),), "always checked"),
    ({}, (("linger.ms", "soon"),), "linger.ms"),
    ({}, (("lingerms", "5"),), "lingerms"),
])
def test_bad_configuration_is_named(tmp_path, options, properties, expected):
    worker = kafka.Worker(tmp_path / "w", {"Brokers": "127.0.0.1:1", **options}, properties=properties)
    worker.start()
    try:
        worker.wait_ready()
        assert worker.refused and expected in worker.refused, worker.refused
        worker.process.wait(5)
    finally:
        worker.close()
