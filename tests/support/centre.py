# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The worker posture-criteria without collectd, agencies that write to its ingest, and a second opinion."""
import array
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.request

from confluent_kafka import Producer

import kafka

TOP, BUILD = kafka.TOP, kafka.BUILD
PROGRAM = BUILD / "plugins/posture_criteria/posture-criteria"


def murmur2(data):
    """As Kafka's Java client has it."""
    mask, length = 0xffffffff, len(data)
    h = (0x9747b28c ^ length) & mask
    for i in range(0, length - length % 4, 4):
        k = int.from_bytes(data[i:i + 4], "little") * 0x5bd1e995 & mask
        k = (k ^ k >> 24) * 0x5bd1e995 & mask
        h = h * 0x5bd1e995 & mask ^ k
    rest = data[length - length % 4:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * 0x5bd1e995 & mask
    h = (h ^ h >> 13) * 0x5bd1e995 & mask
    return h ^ h >> 15


def partition_of(key, count):
    return (murmur2(key.split(b"|")[0]) & 0x7fffffff) % count


def stamp(ns=None):
    ns = time.time_ns() if ns is None else ns
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(ns // 10**9)) + f"{ns // 10**6 % 1000:03d}Z"


def uuid7(number):
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


def certificate(not_after="2031-01-01T00:00:00.000Z"):
    return {"subject": "CN=www", "issuer": "CN=ca", "sans": {"dns": ["www"], "ip": []}, "serial": "01", "version": 3,
            "key": {"type": "ec", "curve": "secp256r1", "bits": 256},
            "signature": {"algorithm": "ecdsa_secp256r1_sha256", "name_oid": "1.2.840.10045.4.3.2", "key_type": "ec",
                          "hash": "sha256"},
            "not_before": "2026-01-01T00:00:00.000Z", "not_after": not_after, "sha256": "00" * 32}


def tls_facts(host, legacy=False, not_after="2031-01-01T00:00:00.000Z"):
    suites = {"TLSv1.3": ["TLS_AES_256_GCM_SHA384"], "TLSv1.2": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]}
    if legacy:
        suites = {"TLSv1.0": ["TLS_RSA_WITH_3DES_EDE_CBC_SHA"], "TLSv1.2": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}
    return {"host": host, "port": 443, "endpoints": [
        {"address": "203.0.113.7", "reachable": True, "versions": sorted(suites), "suites": suites,
         "groups": ["secp256r1"],
         "chains": [{"certificates": [certificate(not_after)],
                     "verification": {"store": "system", "chain": "ok", "name": "ok"}}]}]}


class Agency:
    """One reporter: numbers its messages as the spool does."""

    def __init__(self, producer, agency, reporter="noc1", partitions=24, topic="posture.reports.v1", epoch=None):
        self.producer, self.agency, self.reporter = producer, agency, reporter
        self.partitions, self.topic = partitions, topic
        self.epoch, self.sequence = epoch or time.time_ns(), 0

    def key(self, subject, kind="tls"):
        return f"{self.agency}|{self.reporter}|{kind}|{subject}".encode()

    def body(self, subject, facts, *, kind="tls", when=None, interval_s=3600, **more):
        return {"schema": "posture.report/1", "id": uuid7(self.sequence + 1), "time": when or stamp(),
                "interval_s": interval_s, "agency": self.agency, "reporter": self.reporter, "kind": kind,
                "subject": subject, "facts": {kind: facts}, **more}

    def headers(self, ce_type="posture.report.v1", sequence=None, epoch=None):
        return {"ce_specversion": "1.0", "ce_type": ce_type, "ce_source": f"//{self.agency}/{self.reporter}",
                "ce_id": uuid7(sequence or self.sequence), "ce_time": stamp(), "content-type": "application/json",
                "ce_sequence": f"{sequence or self.sequence:020d}", "posture-epoch": str(epoch or self.epoch)}

    def send(self, key, value, headers=None, **change):
        """Raw: what is given goes out, under the next number."""
        self.sequence += 1
        if isinstance(value, dict):
            value = json.dumps(value, separators=(",", ":")).encode()
        headers = {**self.headers(), **(headers or {}), **change}
        headers = [(k, v) for k, v in headers.items() if v is not None]
        while True:
            try:
                self.producer.produce(self.topic, key=key, value=value, headers=headers,
                                      partition=partition_of(key or b"", self.partitions))
                break
            except BufferError:
                self.producer.poll(0.1)
        return self.sequence

    def report(self, subject, *, legacy=False, not_after="2031-01-01T00:00:00.000Z", **more):
        host = subject.split("//")[1].rsplit(":", 1)[0]
        return self.send(self.key(subject), self.body(subject, tls_facts(host, legacy, not_after), **more))

    def retire(self, subject):
        return self.send(self.key(subject), None, {"ce_type": "posture.retire.v1", "content-type": None})


def producer(broker):
    return Producer({"bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "linger.ms": 5,
                     "queue.buffering.max.messages": 200000})


def registry(*agencies, **more):
    return {"schema": "posture.registry/1", "agencies": list(agencies), **more}


def agency_entry(name, *inventory, area="central-government", **more):
    return {"id": name, "name": {"ja": name, "en": name}, "area": area, "class": "ministry", "sector": None,
            "inventory": [{"kind": "tls", **i} if isinstance(i, dict) else {"kind": "tls", "subject": i}
                          for i in inventory], **more}


class Centre:
    """posture-criteria as its host would run it: settings and lines over descriptor 3."""

    def __init__(self, directory, broker, registry_document, *, wrapper=(), **options):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.registry = self.directory / "registry.json"
        self.registry.write_text(json.dumps(registry_document))
        self.port = kafka.free_ports(1)[0]
        self.options = {"Brokers": broker.bootstrap, "Security": "plaintext", "Registry": str(self.registry),
                        "EvaluateInterval": "0.5", "Listen": f"127.0.0.1:{self.port}", **options}
        self.wrapper = list(wrapper)
        self.process = None
        self.is_expected_to_end = False
        self.logs, self.stats = [], {}

    def start(self):
        self.is_expected_to_end = False
        self.logs, self.stats = [], {}
        self.ready, self.refused = threading.Event(), None
        ours, theirs = socket.socketpair()
        # The host gives descriptor 3; nothing else above it is open.
        self.process = subprocess.Popen([*self.wrapper, str(PROGRAM)], stdin=subprocess.DEVNULL,
                                        stdout=open(self.directory / "stdout", "ab"),
                                        stderr=open(self.directory / "stderr", "ab"),
                                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3, True), pass_fds=(3,))
        theirs.close()
        self.host = ours
        fields = ["plugin"]
        for name, value in self.options.items():
            fields += [name, value]
        ours.sendall("\t".join(kafka._escape(f) for f in fields).encode() + b"\n\n")
        threading.Thread(target=self._read, args=(ours,), daemon=True).start()
        assert self.ready.wait(20), self.stderr()
        assert self.refused is None, self.refused
        return self

    def _read(self, ours):
        pending = b""
        while True:
            try:
                data = ours.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                fields = [kafka._unescape(f) for f in line.decode().split("\t")]
                if fields[0] == "ready":
                    self.ready.set()
                elif fields[0] == "refused":
                    self.refused = fields[1]
                    self.ready.set()
                elif fields[0] == "stats":
                    self.stats[fields[2]] = float(fields[3])
                elif fields[0] == "log":
                    self.logs.append((fields[1], fields[2]))
                elif fields[0] == "open":
                    self._answer(ours, fields[1])

    def _answer(self, ours, what):
        """The n-th file option that is given, in the option table's order."""
        files = [n for n in ("ListenTLSCert", "ListenTLSKey", "ListenClientCA", "ListenTokenFile", "TLSCert",
                             "TLSKey", "SASLPasswordFile") if n in self.options]
        fd = os.open(self.options[files[int(what) - 1]], os.O_RDONLY)
        ours.sendmsg([f"fd\t{what}\t0\n".encode()],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        os.close(fd)

    def get(self, path, timeout=5):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
            return answer.read().decode()

    def wait_log(self, pattern, timeout=30):
        end = time.monotonic() + timeout
        while True:
            for level, text in self.logs:
                if re.search(pattern, text):
                    return level, text
            assert time.monotonic() < end, f"{pattern}: {self.logs[-10:]}; {self.stderr()}"
            assert self.process.poll() is None, f"ended with {self.process.returncode}; {self.logs}; {self.stderr()}"
            time.sleep(0.05)

    def stop(self, timeout=10):
        """The host's way: end of file."""
        self.is_expected_to_end = True
        self.host.shutdown(socket.SHUT_WR)
        status = self.process.wait(timeout)
        self.host.close()
        return status

    def kill(self):
        self.is_expected_to_end = True
        self.process.kill()
        self.process.wait()
        self.host.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()

    def stderr(self):
        path = self.directory / "stderr"
        return path.read_text()[-3000:] if path.exists() else ""


def latest(messages):
    """What compaction would leave: the last record of each key."""
    state = {}
    for message in messages:
        if message.value is None:
            state.pop(message.key, None)
        else:
            state[message.key] = message
    return state


def evaluations(broker, prefix="posture"):
    return {key: json.loads(m.value)
            for key, m in latest(kafka.read_topic(broker.bootstrap, f"{prefix}.evaluations.v1")).items()}


def wait_evaluation(broker, key, condition, timeout=30, prefix="posture"):
    end = time.monotonic() + timeout
    while True:
        found = evaluations(broker, prefix)
        if key in found and condition(found[key]):
            return found[key]
        assert time.monotonic() < end, f"{key}: {json.dumps(found.get(key), indent=1)}"
        time.sleep(0.3)
