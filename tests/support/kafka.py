# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""A real broker, the worker posture-kafka without collectd, and what a topic holds, for tests and benches."""
import array
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from confluent_kafka import Consumer, TopicPartition, OFFSET_BEGINNING

TOP = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", TOP / "build" / "dev"))
BROKER = TOP / "contrib/kafka/broker"

Message = collections.namedtuple("Message", "partition offset key value headers timestamp_type")


def free_ports(count):
    """Ports that nobody listens on now; all different."""
    held = [socket.socket() for _ in range(count)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


class Broker:
    """One Kafka broker on loopback; its data survive kill() and start()."""

    def __init__(self, directory, *, certs=None, sasl_user=None, partitions=24, properties=()):
        self.directory = pathlib.Path(directory)
        self.certs, self.sasl_user, self.partitions = certs, sasl_user, partitions
        self.properties = list(properties)
        self.port, self.controller_port, self.tls_port, self.sasl_port = free_ports(4)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def start(self, topics=True):
        command = [str(BROKER), "start", "--dir", str(self.directory), "--port", str(self.port),
                   "--controller-port", str(self.controller_port), "--heap", "384",
                   "--partitions", str(self.partitions)]
        if self.certs:
            command += ["--certs", str(self.certs), "--tls-port", str(self.tls_port)]
        if self.sasl_user:
            command += ["--sasl-port", str(self.sasl_port), "--user", self.sasl_user]
        for text in self.properties:
            command += ["--set", text]
        if topics:
            command.append("--topics")
        done = subprocess.run(command, capture_output=True, text=True, timeout=180,
                              env={**os.environ, "POSTURE_BUILD_DIR": str(BUILD)})
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return self

    def pid(self):
        return int((self.directory / "pid").read_text())

    def kill(self):
        """SIGKILL, as a power cut would do it to the process."""
        os.kill(self.pid(), signal.SIGKILL)
        self._wait_gone()

    def stop(self):
        subprocess.run([str(BROKER), "stop", "--dir", str(self.directory)], timeout=60, check=False)

    def _wait_gone(self):
        pid = self.pid()
        for _ in range(200):
            try:
                state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                return
            if state == "Z":
                return
            time.sleep(0.05)
        raise RuntimeError(f"process {pid} does not end")

    def topic(self, name, partitions, **settings):
        """Creates one more topic with its own settings."""
        listing = self.directory / f"topic-{name}.conf"
        prefix, rest = name.split(".", 1)
        listing.write_text(f"{rest} {partitions} " + " ".join(f"{k}={v}" for k, v in settings.items()) + "\n")
        subprocess.run([str(BUILD / "plugins/posture_kafka/posture-topics"), "--brokers", self.bootstrap,
                        "--prefix", prefix, str(listing)], check=True, capture_output=True, timeout=60)


def read_topic(bootstrap, topic, timeout=30, **properties):
    """Every message of a topic, partition by partition, up to the end as it is now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-reader", "enable.auto.commit": False,
                         "enable.partition.eof": True, "auto.offset.reset": "earliest", "check.crcs": True,
                         "isolation.level": "read_uncommitted", **properties})
    messages = []
    try:
        partitions = consumer.list_topics(topic, timeout=timeout).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        open_partitions, end = set(partitions), time.monotonic() + timeout
        while open_partitions:
            if time.monotonic() > end:
                raise TimeoutError(f"{topic}: {len(messages)} messages read")
            message = consumer.poll(0.5)
            if message is None:
                continue
            if message.error():
                open_partitions.discard(message.partition())
                continue
            messages.append(Message(message.partition(), message.offset(), message.key().decode(), message.value(),
                                    {k: v.decode() for k, v in message.headers() or []}, message.timestamp()[0]))
    finally:
        consumer.close()
    return messages


def _escape(field):
    return field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(field):
    return re.sub(r"\\(.)", lambda m: {"t": "\t", "n": "\n", "r": "\r"}.get(m[1], m[1]), field)


class Worker:
    """posture-kafka as its host would run it: settings, descriptors and lines over descriptor 3."""
    FILES = ("TLSCert", "TLSKey", "SASLPasswordFile")  # in the option table's order

    def __init__(self, directory, options, *, properties=(), program=None, wrapper=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket_path = self.directory / "spool.sock"
        self.options = {"Agency": "moj", "Reporter": "noc1.moj.example", "SpoolDir": str(self.directory / "spool"),
                        "SpoolSocket": str(self.socket_path), "Security": "plaintext",
                        "SpoolReserveBytes": "0", "Interval": "1", **options}
        self.properties, self.wrapper = properties, list(wrapper)
        self.program = program or BUILD / "plugins/posture_kafka/posture-kafka"
        self.listener = None
        self.process = None
        self.clear()

    def clear(self):
        self.stats, self.logs, self.notifications = {}, [], []
        self.ready, self.refused = threading.Event(), None

    def start(self):
        self.clear()
        if self.listener is None:
            self.socket_path.unlink(missing_ok=True)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.socket_path))
            self.listener.listen(64)
            self.listener.setblocking(False)
        ours, theirs = socket.socketpair()
        # The host gives descriptor 3; nothing else above it is open.
        self.process = subprocess.Popen([*self.wrapper, str(self.program)], stdin=subprocess.DEVNULL,
                                        stdout=open(self.directory / "stdout", "ab"),
                                        stderr=open(self.directory / "stderr", "ab"),
                                        preexec_fn=lambda: os.dup2(theirs.fileno(), 3, True), pass_fds=(3,))
        theirs.close()
        self.host = ours
        fields = ["plugin"]
        for name, value in self.options.items():
            fields += [name, value]
        for key, value in self.properties:
            fields += ["Property", key, value]
        ours.sendall("\t".join(map(_escape, fields)).encode() + b"\n\n")
        self.thread = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self.thread.start()
        return self

    def _answer(self, ours, what):
        fd, number = -1, 0
        if what == "listen":
            fd = self.listener.fileno()
        else:
            given = [name for name in self.FILES if name in self.options]
            try:
                fd = os.open(self.options[given[int(what) - 1]], os.O_RDONLY)
            except OSError as error:
                number = -error.errno
        line = f"fd\t{what}\t{number}\n".encode()
        if number:
            ours.sendall(line)
            return
        ours.sendmsg([line], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        if what != "listen":
            os.close(fd)

    def _read(self, ours):
        pending = b""
        while True:
            try:
                data = ours.recv(65536)
            except OSError:
                data = b""
            if not data:
                return
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                fields = [_unescape(f) for f in line.decode().split("\t")]
                if fields[0] == "ready":
                    self.ready.set()
                elif fields[0] == "refused":
                    self.refused = fields[1]
                    self.ready.set()
                elif fields[0] == "stats":
                    self.stats[fields[2]] = float(fields[3])
                elif fields[0] == "log":
                    self.logs.append((fields[1], fields[2]))
                elif fields[0] == "notification":
                    self.notifications.append(tuple(fields[1:]))
                elif fields[0] == "open":
                    try:
                        self._answer(ours, fields[1])
                    except OSError:
                        return

    def wait_ready(self, timeout=20):
        assert self.ready.wait(timeout), f"not ready; {self.stderr()}"
        return self

    def wait_stat(self, name, condition, timeout=30):
        end = time.monotonic() + timeout
        while not (name in self.stats and condition(self.stats[name])):
            assert time.monotonic() < end, f"{name}: {self.stats}; {self.logs[-5:]}; {self.stderr()}"
            assert self.process.poll() is None, f"ended with {self.process.returncode}; {self.stderr()}"
            time.sleep(0.05)
        return self.stats[name]

    def stop(self, timeout=10):
        """The host's way: end of file. Returns the seconds that it took."""
        began = time.monotonic()
        self.host.shutdown(socket.SHUT_WR)
        self.process.wait(timeout)
        self.host.close()
        return time.monotonic() - began

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.host.close()

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop()  # in good order, so that a leak is seen
        assert "Sanitizer" not in self.stderr() and "runtime error" not in self.stderr(), self.stderr()
        if self.listener:
            self.listener.close()
            self.listener = None

    def stderr(self):
        path = self.directory / "stderr"
        return path.read_text()[-8000:] if path.exists() else ""

    def rss_kb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1])


def load_start(worker, count, **options):
    """spool_load as a process; finish with load_result()."""
    command = [str(BUILD / "tests/support/spool_load"), "--socket", str(worker.socket_path), "--count", str(count)]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def load_result(process, timeout=120):
    out, err = process.communicate(timeout=timeout)
    assert process.returncode == 0, err
    return json.loads(out)


def load(worker, count, timeout=120, **options):
    return load_result(load_start(worker, count, **options), timeout)


def reports_of(messages):
    """Numbers of the load's reports and whether order and sequence numbers hold: (numbers, duplicates)."""
    seen, duplicates, last = {}, 0, {}
    for message in messages:
        source = message.headers["ce_source"]
        place = (message.headers["posture-epoch"], message.headers["ce_sequence"])
        if (source, place) in seen:
            assert seen[source, place] == (message.headers["ce_id"], message.value), "a number was given twice"
            duplicates += 1
            continue
        # What stands in for a refused record comes behind those that were on their way already.
        if b'"replaces":' not in (message.value or b""):
            assert place > last.get(source, ("", "")), "a first copy came out of order"
            last[source] = place
        seen[source, place] = (message.headers["ce_id"], message.value)
    numbers = [json.loads(m.value)["load"] - 1000000000 for m in messages if b'"load":1' in (m.value or b"")]
    return numbers, duplicates


def java_is_here():
    return shutil.which("java") is not None
