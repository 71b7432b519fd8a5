# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The centre's worker on a real broker: what the gate lets through, what the judge says of it, and what stands
after kills, restarts, other rules and other centres."""
import itertools
import json
import pathlib
import random
import sys
import time

import jsonschema
import pytest
from confluent_kafka import Consumer, TopicPartition, OFFSET_BEGINNING
from confluent_kafka.admin import AdminClient, ConfigResource

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import centre as support  # noqa: E402
import kafka  # noqa: E402

PARTITIONS = 4
numbers = itertools.count(1)

pytestmark = pytest.mark.skipif(not kafka.java_is_here(), reason="no java")


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker"), partitions=PARTITIONS)
    yield broker.start()
    broker.stop()


@pytest.fixture
def place(broker, tmp_path):
    """Topics, agencies and centres of one test alone."""
    place = Place(broker, f"t{next(numbers)}", tmp_path)
    yield place
    place.close()


class Place:
    TOPICS = {"reports.v1": PARTITIONS, "state.v1": PARTITIONS, "rejected.v1": 1, "evaluations.v1": 1}

    def __init__(self, broker, prefix, directory):
        self.broker, self.prefix, self.directory = broker, prefix, directory
        self.producer = support.producer(broker)
        self.centres = []

    def make_topics(self, change=None, skip=()):
        for name, partitions in self.TOPICS.items():
            settings = {"message.timestamp.type": "LogAppendTime"}
            if name in ("state.v1", "evaluations.v1"):
                settings["cleanup.policy"] = "compact"
            settings.update((change or {}).get(name, {}))
            if name not in skip:
                self.broker.topic(f"{self.prefix}.{name}", settings.pop("partitions", partitions), **settings)
        return self

    def agency(self, name, reporter="noc1", **more):
        return support.Agency(self.producer, name, reporter, PARTITIONS, f"{self.prefix}.reports.v1", **more)

    def centre(self, *agencies, name="centre", registry=None, **options):
        centre = support.Centre(self.directory / name, self.broker, registry or support.registry(*agencies),
                                **{"TopicPrefix": self.prefix, "Group": self.prefix, "Instance": name, **options})
        self.centres.append(centre)
        return centre

    def read(self, topic):
        return kafka.read_topic(self.broker.bootstrap, f"{self.prefix}.{topic}")

    def read_raw(self, topic):
        """(key, value, headers): keys and values as bytes, or None."""
        consumer = Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": "raw", "enable.partition.eof": True,
                             "enable.auto.commit": False})
        out = []
        try:
            consumer.assign([TopicPartition(f"{self.prefix}.{topic}", 0, OFFSET_BEGINNING)])
            while (message := consumer.poll(10)) is not None and not message.error():
                out.append((message.key(), message.value(), {k: v.decode() for k, v in message.headers() or []}))
        finally:
            consumer.close()
        return out

    def state(self):
        return support.latest(self.read("state.v1"))

    def wait(self, condition, what, timeout=30):
        end = time.monotonic() + timeout
        while True:
            found = condition()
            if found:
                return found
            for centre in self.centres:
                assert centre.process.poll() is None or centre.is_expected_to_end, \
                    f"{centre.logs[-5:]}; {centre.stderr()}"
            assert time.monotonic() < end, f"{what}: {[c.logs[-5:] for c in self.centres]}"
            time.sleep(0.2)

    def wait_evaluation(self, key, condition, timeout=30):
        return support.wait_evaluation(self.broker, key, condition, timeout, self.prefix)

    def close(self):
        for centre in self.centres:
            centre.close()


A, B = "tls://a.moj.example:443", "tls://b.moj.example:443"


def results_of(message):
    """posture-verdict as text → {check: (result, since ms)}."""
    head, checks = message.headers["posture-verdict"].split("|")
    since = dict(f.split("=") for f in head.split(";")[1:])["s"]
    out = {}
    for check in filter(None, checks.split(";")):
        name, rest = check.split("=")
        rest = rest.split("/")[0]
        result, _, own = rest.partition("@")
        out[name] = (result, int(own or since, 36))
    return out


def schema_errors(document):
    folder = support.TOP / "schemas"
    store = {}
    for path in list(folder.glob("*.schema.json")) + list(folder.glob("facts/*.schema.json")):
        schema = json.loads(path.read_text())
        store[schema["$id"]] = schema
    schema = json.loads((folder / "nation.v1.schema.json").read_text())
    resolver = jsonschema.RefResolver(schema["$id"], schema, store)
    return [e.message for e in jsonschema.Draft202012Validator(schema, resolver=resolver).iter_errors(document)]


def test_evaluates_two_agencies(place):
    place.make_topics()
    centre = place.centre(
        support.agency_entry("moj", A, B, "tls://gone.moj.example:443"),
        support.agency_entry("midori", {"pattern": "tls://*.midori.example:443", "expected": 2},
                             area="local-government")).start()
    moj, midori = place.agency("moj"), place.agency("midori")
    moj.report(A)
    moj.report(B, legacy=True)
    moj.report("tls://extra.example:443")
    midori.report("tls://www.midori.example:443")
    place.producer.flush()
    got = place.wait_evaluation("agency:moj|crypto.forward_secrecy|FY2026", lambda e: e["counts"]["fail"] == 1)
    assert got["expected"] == 3 and got["passing"] == 1 and got["covered"] == 2 and got["unregistered"] == 1
    assert got["counts"]["missing"] == 1 and got["status"] == "not_met"
    worst = got["not_achieved"][0]
    assert worst["subject"] == B and worst["check"] == "tls.forward_secrecy" and worst["code"] and worst["args"]
    assert [s["result"] for s in got["not_achieved"]] == ["fail", "missing"]
    nation = place.wait_evaluation("nation:jp|crypto.forward_secrecy|FY2026", lambda e: e["passing"] == 2)
    assert nation["expected"] == 5 and abs(nation["achieved"] - 0.4) < 1e-9
    area = support.evaluations(place.broker, place.prefix)["area:local-government|crypto.forward_secrecy|FY2026"]
    assert area["expected"] == 2 and area["passing"] == 1

    # The same on the page and in the metrics; the whole model is as its schema has it.
    place.wait(lambda: "moj" in centre.get("/") and 'scope="nation"' in centre.get("/metrics"), "page")
    model = json.loads(centre.get("/evaluations.json"))
    assert schema_errors(model) == []
    assert {"agency": "moj", "kind": "tls"}.items() <= model["last_report"][1].items() or len(model["last_report"]) == 2

    # Taken out of service: what is expected still is missing; repaired: it counts.
    moj.retire(A)
    moj.report(B)
    place.producer.flush()
    got = place.wait_evaluation("agency:moj|crypto.forward_secrecy|FY2026", lambda e: e["counts"]["missing"] == 2)
    got = place.wait_evaluation("agency:moj|crypto.forward_secrecy|FY2026", lambda e: e["counts"]["fail"] == 0)
    assert got["passing"] == 1 and got["expected"] == 3
    retired = place.state()[moj.key(A).decode()]
    assert json.loads(retired.value)["schema"] == "posture.retired/1"
    assert ";f=r;" in retired.headers["posture-verdict"]
    assert centre.stop() == 0, centre.logs


def poisons(agency):
    good = agency.body(A, support.tls_facts("a.moj.example"))
    text = json.dumps(good, separators=(",", ":"))
    key = agency.key(A)
    yield "json", key, b"not JSON at all", {}
    yield "json", key, b"", {}
    yield "json", key, text.encode().replace(b"moj", b"m\x00j", 1), {}
    yield "json", key, text.encode().replace(b"moj", b"m\xffj", 1), {}
    yield "json", key, (text[:-1] + ',"kind":"tls"}').encode(), {}
    yield "depth", key, b'{"a":' * 5000 + b"1" + b"}" * 5000, {}
    yield "too_large", key, b" " * (256 * 1024 + 1), {}
    yield "too_large", key, text.encode(), {"x-stuffing": "x" * 20000}
    yield "schema", key, text.replace("report/1", "report/2").encode(), {}
    yield "schema", key, json.dumps({**good, "facts": {"tls": {"host": 7}}}).encode(), {}
    yield "agency", b"mof|noc1|tls|" + A.encode(), text.replace("moj", "mof", 1).encode(), {"ce_source": "//mof/noc1"}
    yield "mismatch", key, text.encode(), {"ce_source": "//mof/noc1"}
    yield "mismatch", key, text.replace('"agency":"moj"', '"agency":"mof"').encode(), {}
    yield "mismatch", agency.key(B), text.encode(), {}
    yield "type", key, text.encode(), {"ce_type": "posture.incident.v1"}
    yield "type", key, text.encode(), {"ce_type": "posture.heartbeat.v1"}
    yield "headers", key, text.encode(), {"ce_type": None}
    yield "headers", key, text.encode(), {"ce_sequence": "7"}
    yield "headers", None, text.encode(), {}
    yield "key", b"moj|noc1|tls", text.encode(), {}
    yield "subject", b"moj|noc1|tls|tls://A.moj.example:443", text.encode(), {}
    yield "null_value", key, None, {}
    yield "null_value", key, text.encode(), {"ce_type": "posture.retire.v1"}


def test_poison_is_rejected_and_the_partition_goes_on(place):
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A)).start()
    moj = place.agency("moj")
    sent, good = [], 0
    for reason, key, value, headers in poisons(moj):
        moj.send(key, value, headers)
        sent.append((reason, key, value))
        good = moj.report(A)
    place.producer.flush()
    key = moj.key(A).decode()
    place.wait(lambda: key in (s := place.state()) and int(s[key].headers["ce_sequence"]) == good, "the last good one")
    rejected = place.wait(lambda: len(r := place.read_raw("rejected.v1")) >= len(sent) and r, "the rejected")
    assert len(rejected) == len(sent)
    rejected.sort(key=lambda m: int(m[2]["posture-source-offset"]) + 1000000 * (m[0] is None))
    sent.sort(key=lambda s: s[1] is None)
    by_key = {}
    for reason, raw_key, value in sent:
        by_key.setdefault(raw_key, []).append((reason, value))
    for raw_key, value, headers in rejected:
        reason, expected = by_key[raw_key].pop(0)
        assert headers["posture-reason"].startswith(reason + ": "), (reason, headers["posture-reason"])
        assert value == expected, "bytes unchanged"
        assert headers["posture-source-topic"] == f"{place.prefix}.reports.v1"
    assert not any(by_key.values())
    # Only the good ones are in the state.
    assert {m.key for m in place.read("state.v1")} == {key}
    assert centre.stop() == 0
    assert centre.stats["accepted"] == len(sent) and centre.stats["rejected"] == len(sent)
    assert centre.stats["sequence_missing"] == 0 or centre.stats["sequence_missing"] < len(sent)


def test_duplicates_gaps_and_clock(place):
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A)).start()
    moj = place.agency("moj", epoch=1000)
    moj.report(A)
    first = moj.headers()
    moj.sequence = 4  # four of them are held back
    moj.report(A, when=support.stamp(time.time_ns() + 3600 * 10**9))
    moj.send(moj.key(A), moj.body(A, support.tls_facts("a.moj.example")), first)
    moj.epoch, moj.sequence = 2000, 0
    moj.report(A)
    moj.send(moj.key(A), moj.body(A, support.tls_facts("a.moj.example")),
             {"posture-epoch": "1000", "ce_sequence": f"{999:020d}"})
    place.producer.flush()
    place.wait(lambda: len(place.read("state.v1")) == 3, "three records")
    time.sleep(1)
    records = place.read("state.v1")
    assert [(m.headers["posture-epoch"], int(m.headers["ce_sequence"])) for m in records] == \
        [("1000", 1), ("1000", 5), ("2000", 1)]
    assert ";f=c;" in records[1].headers["posture-verdict"] and ";f=" not in records[0].headers["posture-verdict"]
    assert centre.stop() == 0
    assert centre.stats["duplicates"] == 2 and centre.stats["sequence_missing"] == 3
    assert centre.stats["new_epochs"] == 1 and centre.stats["clock_ahead"] == 1


def test_what_is_done_does_not_wait(place):
    """Pages are made when something changed, and that must not look like a message that still waits."""
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A)).start()
    moj = place.agency("moj")
    for n in range(5):  # each changes what is said
        moj.report(A, legacy=n % 2 == 1)
        place.producer.flush()
        place.wait(lambda: f"posture_gate_accepted_total {n + 1}\n" in (is_metrics(centre) or ""), "accepted")
        assert "posture_gate_lag_messages 0\n" in is_metrics(centre) or n == 0, n
    assert centre.stop() == 0


def is_metrics(centre):
    try:
        return centre.get("/metrics")
    except OSError:
        return None


def model_evaluations(centre):
    out = {}
    for document in json.loads(centre.get("/evaluations.json"))["evaluations"]:
        document.pop("time")
        out[document["scope"]["type"], document["scope"]["id"], document["criterion"]] = document
    return out


def test_restart_says_the_same(place):
    place.make_topics()
    entries = [support.agency_entry("moj", A, B, {"pattern": "tls://*.moj.example:443", "expected": 30}),
               support.agency_entry("midori", "tls://www.midori.example:443", area="local-government")]
    centre = place.centre(*entries).start()
    moj = place.agency("moj")
    for i in range(40):
        moj.report(f"tls://h{i}.moj.example:443", legacy=i % 3 == 0)
    place.agency("midori").report("tls://www.midori.example:443")
    place.agency("midori", "noc2").report("tls://www.midori.example:443", legacy=True)
    place.producer.flush()
    place.wait_evaluation("nation:jp|crypto.forward_secrecy|FY2026", lambda e: e["counts"]["fail"] == 15)
    place.wait_evaluation("agency:midori|crypto.tls|FY2026",
                          lambda e: e["not_achieved"] and e["not_achieved"][0]["reporter"] == "noc2")
    time.sleep(1)
    before, said = model_evaluations(centre), len(place.read("evaluations.v1"))
    assert centre.stop() == 0
    centre.start()
    place.wait(lambda: is_served(centre), "the model")
    assert model_evaluations(centre) == before
    centre.kill()
    # A centre that knows nothing, of another group, reads the same and comes to the same.
    other = place.centre(*entries, name="other", Group="another").start()
    place.wait(lambda: is_served(other), "the model")
    assert model_evaluations(other) == before
    time.sleep(1.5)
    assert len(place.read("evaluations.v1")) == said, "nothing is said twice"
    assert other.stop() == 0


def is_served(centre):
    try:
        return centre.get("/evaluations.json")
    except OSError:
        return None


def test_another_profile_judges_again(place):
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A)).start()
    moj = place.agency("moj")
    moj.report(A)
    place.producer.flush()
    key = "agency:moj|crypto.tls|FY2026"
    first = place.wait_evaluation(key, lambda e: e["passing"] == 1)
    assert centre.stop() == 0
    centre.options["Profile"] = "bod-18-01"
    centre.start()
    again = place.wait_evaluation(key, lambda e: e["profile"]["id"] == "bod-18-01")
    assert again["profile"]["digest"] != first["profile"]["digest"] and again["expected"] == 1
    # The record is not touched: facts travel, verdicts are recomputed.
    assert len(place.read("state.v1")) == 1
    assert centre.stop() == 0
    assert centre.stats["rejudged"] >= 1


def test_time_alone_changes_the_verdict(place):
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A, B), registry=support.registry(
        support.agency_entry("moj", A, B), max_interval_s={"tls": 1})).start()
    moj = place.agency("moj")
    end_ns = time.time_ns() + 6 * 10**9
    moj.report(A, not_after=support.stamp(end_ns))
    # Measured long enough ago that it turns stale in a few seconds: 2 × 1 s + 600 s.
    moj.report(B, when=support.stamp(time.time_ns() - (602 - 7) * 10**9), interval_s=1)
    place.producer.flush()
    key = "agency:moj|crypto.certificates|FY2026"
    place.wait_evaluation(key, lambda e: e["passing"] + e["counts"]["warn"] == 2 or e["counts"]["stale"])
    got = place.wait_evaluation(key, lambda e: e["counts"]["fail"] == 1 and e["counts"]["stale"] == 1)
    failed = got["not_achieved"][0]
    assert failed["check"] == "tls.cert.validity" and failed["code"] == "tls.cert.validity.expired"
    since = failed["since"]
    assert support.stamp(end_ns)[:19] <= since[:19] <= support.stamp(end_ns + 10**9)[:19]
    assert len(place.read("state.v1")) == 2
    # Who begins later knows the same since.
    centre.kill()
    other = place.centre(name="other", registry=support.registry(
        support.agency_entry("moj", A, B), max_interval_s={"tls": 1})).start()
    place.wait(lambda: is_served(other), "the model")
    assert model_evaluations(other)["agency", "moj", "crypto.certificates"]["not_achieved"][0]["since"] == since


@pytest.mark.parametrize("change,skip,text", [
    ({"state.v1": {"partitions": 3}}, (), r"reports.v1 has 4 partitions, topic .*state.v1 has 3"),
    ({}, ("evaluations.v1",), r"evaluations.v1 does not exist"),
    ({"reports.v1": {"message.timestamp.type": "CreateTime"}}, (), r"is CreateTime, expected LogAppendTime"),
])
def test_waits_until_the_topics_are_right(place, change, skip, text):
    place.make_topics(change, skip)
    moj = place.agency("moj")
    moj.report(A)
    place.producer.flush()
    centre = place.centre(support.agency_entry("moj", A)).start()
    level, said = centre.wait_log(text)
    assert level == "error" and said.startswith("nothing is consumed yet: ")
    time.sleep(2)
    assert place.read("state.v1") == []
    assert len([t for _, t in centre.logs if "nothing is consumed" in t]) == 1, "said once"
    if "reports.v1" in change:
        admin = AdminClient({"bootstrap.servers": place.broker.bootstrap})
        for answer in admin.alter_configs([ConfigResource(
                ConfigResource.Type.TOPIC, f"{place.prefix}.reports.v1",
                set_config={"message.timestamp.type": "LogAppendTime"})]).values():
            answer.result(10)
    elif skip:
        place.broker.topic(f"{place.prefix}.evaluations.v1", 1, **{"cleanup.policy": "compact"})
    else:
        assert centre.stop() == 0
        return
    place.wait(lambda: place.state(), "consumed at last", 60)
    assert centre.stop() == 0


def test_a_lower_record_after_a_higher_is_repaired(place):
    place.make_topics()
    centre = place.centre(support.agency_entry("moj", A)).start()
    moj = place.agency("moj")
    moj.report(A)
    moj.report(A, legacy=True)
    place.producer.flush()
    key = moj.key(A)
    place.wait(lambda: len(place.read("state.v1")) == 2, "two records")
    place.wait_evaluation("agency:moj|crypto.forward_secrecy|FY2026", lambda e: e["counts"]["fail"] == 1)
    low = next(m for m in place.read("state.v1") if int(m.headers["ce_sequence"]) == 1)
    # What a former owner, paused for a while, would do.
    place.producer.produce(f"{place.prefix}.state.v1", key=key, value=low.value, headers=list(low.headers.items()),
                           partition=low.partition)
    place.producer.flush()
    record = place.wait(lambda: len(r := place.read("state.v1")) == 4 and r[-1], "the higher one again")
    assert int(record.headers["ce_sequence"]) == 2
    assert centre.stop() == 0
    assert centre.stats["repairs"] == 1


def test_broker_killed_and_back(tmp_path):
    broker = kafka.Broker(tmp_path / "broker", partitions=PARTITIONS).start()
    place = Place(broker, "posture", tmp_path)
    try:
        centre = place.centre(support.agency_entry("moj", {"pattern": "tls://*.moj.example:443", "expected": 1})).start()
        moj = place.agency("moj")
        for i in range(300):
            moj.report(f"tls://h{i}.moj.example:443")
        place.producer.flush()
        broker.kill()
        time.sleep(3)
        broker.start(topics=False)
        for i in range(300, 600):
            moj.report(f"tls://h{i}.moj.example:443")
        place.producer.flush()
        place.wait(lambda: len(place.state()) == 600, "all of them", 90)
        place.wait_evaluation("agency:moj|crypto.tls|FY2026", lambda e: e["passing"] == 600, 60)
        assert centre.stop() == 0
    finally:
        place.close()
        broker.stop()


def test_killed_at_random_instants(place):
    """SIGKILL 20 times under load: nothing is lost, and the state is what one undisturbed pass would make of it."""
    place.make_topics()
    subjects = 25
    names = ["moj", "midori", "power", "rail"]
    entries = [support.agency_entry(n, {"pattern": f"tls://*.{n}.example:443", "expected": subjects}) for n in names]
    centre = place.centre(*entries)
    agencies = [place.agency(n) for n in names]
    randomly = random.Random(7)
    kills, sent, bad, at = 20, {}, 0, 0
    while kills > 0:
        centre.start()
        end = time.monotonic() + randomly.uniform(0.5, 2.0)
        while time.monotonic() < end:
            for agency in agencies:
                for i in range(subjects):
                    subject = f"tls://h{i}.{agency.agency}.example:443"
                    sequence = agency.report(subject, legacy=(at // 3 + i) % 2 == 0)
                    sent[agency.key(subject).decode()] = sequence
                agency.send(agency.key("tls://poison.example:443"), b"{")
                bad += 1
            at += 1
            place.producer.poll(0)
            time.sleep(0.05)
        centre.kill()
        kills -= 1
    place.producer.flush()
    total = sum(a.sequence for a in agencies)
    centre.start()

    def is_whole():
        state = place.state()
        return state if {k: int(m.headers["ce_sequence"]) for k, m in state.items()} == sent else None
    state = place.wait(is_whole, "every last report", 60)
    assert centre.stop() == 0

    # One undisturbed pass over the input, in Python: values and, to the millisecond, since when each fails.
    expected, since = {}, {}
    for message in place.read("reports.v1"):
        if message.value == b"{":
            continue
        body = json.loads(message.value)
        legacy = "TLSv1.0" in body["facts"]["tls"]["endpoints"][0]["versions"]
        result = "f" if legacy else "p"
        ms = int(time.mktime(time.strptime(body["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone) * 1000 + \
            int(body["time"][20:23])
        if expected.get(message.key, (None,))[0] != result:
            since[message.key] = ms
        expected[message.key] = (result, message.value)
    for key, message in state.items():
        assert message.value == expected[key][1]
        assert results_of(message)["forward_secrecy"] == (expected[key][0], since[key]), key
    # Order within a key is never turned round, and what was refused is all there.
    last = {}
    for message in place.read("state.v1"):
        place_of = (message.headers["posture-epoch"], message.headers["ce_sequence"])
        assert last.get(message.key, ("", "")) <= place_of
        last[message.key] = place_of
    offsets = {(m.headers["posture-source-partition"], m.headers["posture-source-offset"])
               for m in place.read("rejected.v1")}
    assert len(offsets) == bad
    print(f"{total} messages, {bad} of them bad, {len(place.read('state.v1'))} records written")


def test_two_centres_share_and_say_it_once(place):
    place.make_topics()
    names = ["moj", "midori", "power", "rail", "city", "bank"]
    entries = [support.agency_entry(n, f"tls://www.{n}.example:443") for n in names]
    quick = {"EvaluateInterval": "0.3"}
    one = place.centre(*entries, name="one", **quick).start()
    two = place.centre(*entries, name="two", **quick).start()
    place.wait(lambda: sum(c.logs.count(("info", "gate: 2 partitions assigned")) for c in (one, two)) >= 2,
               "two partitions each")
    for name in names:
        place.agency(name).report(f"tls://www.{name}.example:443")
    place.producer.flush()
    place.wait_evaluation("nation:jp|crypto.tls|FY2026", lambda e: e["passing"] == 6)
    place.wait(lambda: all("jp" in (is_served(c) or "") and model_evaluations(c)["nation", "jp", "crypto.tls"]
                           ["passing"] == 6 for c in (one, two)), "both know the nation")
    assert len(place.state()) == 6
    ids = [(m.key, json.loads(m.value)["id"]) for m in place.read("evaluations.v1")]
    assert len(ids) == len(set(ids)), "each outcome is published once"
    # Another registry at one of them: no roll-up until they agree.
    assert two.stop() == 0
    two.registry.write_text(json.dumps(support.registry(*entries[:5])))
    two.start()
    two.is_expected_to_end = True
    place.agency("moj", "noc9").report("tls://www.moj.example:443", legacy=True)
    place.producer.flush()
    place.wait(lambda: any("another centre evaluates" in t for c in (one, two) for _, t in c.logs), "the alarm", 90)


def test_another_prefix_in_the_same_group(place):
    """A centre that comes back under its name with another TopicPrefix is given the topics of that one."""
    entry = support.agency_entry("moj", "tls://www.moj.example:443")
    first = place.make_topics().centre(entry, Group=f"{place.prefix}-shared", Instance="centre").start()
    first.wait_log("partitions assigned")
    first.kill()
    other = Place(place.broker, f"{place.prefix}b", place.directory).make_topics()
    try:
        other.centre(entry, name="again", Group=f"{place.prefix}-shared", Instance="centre").start()
        other.agency("moj").report("tls://www.moj.example:443")
        other.producer.flush(10)
        end = time.monotonic() + 90  # the old member's session may have to end first
        while not other.read("state.v1"):
            assert time.monotonic() < end, "nothing came through the gate"
            time.sleep(1)
    finally:
        other.close()


def test_bad_settings_are_refused(place):
    for options, text in [({"Registry": "/nonexistent.json"}, "/nonexistent.json"),
                          ({"Profile": "no-such"}, "no-such"),
                          ({"Listen": "0.0.0.0:9475"}, "0.0.0.0"),
                          ({"EvaluateInterval": "0"}, "EvaluateInterval")]:
        centre = place.centre(support.agency_entry("moj", A), name="bad", **options)
        with pytest.raises(AssertionError, match=text.replace(".", r"\.")):
            centre.start()
        centre.process.wait(5)
        place.centres.remove(centre)
