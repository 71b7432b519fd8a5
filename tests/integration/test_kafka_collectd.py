# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""posture_kafka in a real collectd: values, the socket that outlives the worker, SIGKILL of collectd under load."""
import os
import pathlib
import pwd
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import kafka  # noqa: E402
from collectd import daemon_environment  # noqa: E402

COLLECTD = shutil.which("collectd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not COLLECTD or not kafka.java_is_here(), reason="no collectd or no Java")

CONFIG = """Hostname "noc1.moj.example"
FQDNLookup false
Interval 1
BaseDir "{base}"
PIDFile "{base}/collectd.pid"
PluginDir "{base}/plugins"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin logfile
<Plugin logfile>
    LogLevel info
    File "{base}/collectd.log"
</Plugin>
LoadPlugin csv
<Plugin csv>
    DataDir "{base}/csv"
    StoreRates false
</Plugin>
LoadPlugin posture_kafka
<Plugin posture_kafka>
    Agency "moj"
    Reporter "noc1.moj.example"
    Brokers "{brokers}"
    Security plaintext
    SpoolDir "{spool}"
    SpoolSocket "{base}/spool.sock"
    SpoolReserveBytes 0
    WorkerDir "{workers}"
    User "{user}"
    Interval 1
    {more}
</Plugin>
"""


class Collectd:
    socket_path = None

    def __init__(self, base, brokers, more=""):
        self.base = base
        self.socket_path = base / "spool.sock"
        user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        # A user that is not root must reach the spool, and nothing else of ours.
        for folder in (base, *base.parents):
            if folder.stat().st_uid == os.getuid() and folder != pathlib.Path("/tmp") and folder != pathlib.Path("/"):
                folder.chmod(folder.stat().st_mode | 0o011)
        (base / "plugins").mkdir()
        for name in ("logfile", "csv"):
            shutil.copy(f"/usr/lib/collectd/{name}.so", base / "plugins")
        shutil.copy(kafka.BUILD / "plugins/posture_kafka/posture_kafka.so", base / "plugins")
        (base / "workers").mkdir()
        shutil.copy(kafka.BUILD / "plugins/posture_kafka/posture-kafka", base / "workers")
        (base / "workers").chmod(0o755)
        spool = base / "spool"
        spool.mkdir(mode=0o700)
        if os.getuid() == 0:
            shutil.chown(spool, user)
        (base / "collectd.conf").write_text(CONFIG.format(
            base=base, brokers=brokers, spool=spool, workers=base / "workers", user=user, more=more))

    def start(self):
        self.process = subprocess.Popen([COLLECTD, "-f", "-C", str(self.base / "collectd.conf")],
                                        env=daemon_environment(), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.STDOUT)
        return self

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(20)
        return time.monotonic() - began

    def log(self):
        path = self.base / "collectd.log"
        return path.read_text() if path.exists() else ""

    def value(self, name):
        files = sorted((self.base / "csv").rglob(f"*{name}-*")) if (self.base / "csv").exists() else []
        lines = files[-1].read_text().splitlines() if files else []
        return float(lines[-1].split(",")[1]) if len(lines) > 1 else None

    def wait_value(self, name, condition, timeout=40):
        end = time.monotonic() + timeout
        while True:
            value = self.value(name)
            if value is not None and condition(value):
                return value
            assert time.monotonic() < end, f"{name}: {value}\n{self.log()[-3000:]}"
            assert self.process.poll() is None, self.log()[-3000:]
            time.sleep(0.1)


def workers_of(process):
    """Process ids of posture-kafka below this collectd."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:].rsplit(")", 1)
        if name == "posture-kafka" and int(rest.split()[1]) == process.pid and rest.split()[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker"), partitions=4)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def collectd(broker, tmp_path, request):
    name = f"c{os.getpid()}{abs(hash(request.node.name)) % 10**6}"
    for topic in ("reports", "incidents"):
        broker.topic(f"{name}.{topic}.v1", 4)
    collectd = Collectd(tmp_path, broker.bootstrap, f'TopicPrefix "{name}"')
    collectd.topic = f"{name}.reports.v1"
    collectd.start()
    yield collectd
    if collectd.process.poll() is None:
        collectd.kill()


def test_values_and_delivery(broker, collectd):
    collectd.wait_value("connected", lambda v: v == 1)
    assert kafka.load(collectd, 2000)["stored"] == 2000
    collectd.wait_value("spooled", lambda v: v == 0)
    collectd.wait_value("delivered", lambda v: v >= 2001)
    numbers, duplicates = kafka.reports_of(kafka.read_topic(broker.bootstrap, collectd.topic))
    assert set(numbers) == set(range(2000)) and duplicates == 0
    [pid] = workers_of(collectd.process)
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    if os.getuid() == 0:
        assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}" in status
    # collectd itself has neither library.
    maps = pathlib.Path(f"/proc/{collectd.process.pid}/maps").read_text()
    assert "librdkafka" not in maps and "libsqlite3" not in maps
    assert collectd.stop() < 5
    assert not workers_of(collectd.process)


def test_worker_dies_and_comes_back(broker, collectd):
    collectd.wait_value("connected", lambda v: v == 1)
    load = kafka.load_start(collectd, 12000, rate=2000)
    time.sleep(2)
    [pid] = workers_of(collectd.process)
    os.kill(pid, signal.SIGKILL)
    try:
        assert kafka.load_result(load)["stored"] == 12000
    except AssertionError as error:
        raise AssertionError(f"{error}\nworkers {workers_of(collectd.process)}, was {pid}\n{collectd.log()[-3000:]}") \
            from None
    collectd.wait_value("spooled", lambda v: v == 0)
    assert collectd.process.poll() is None
    numbers, duplicates = kafka.reports_of(kafka.read_topic(broker.bootstrap, collectd.topic))
    print(f"{duplicates} twice")
    assert set(numbers) == set(range(12000))


def test_collectd_killed_at_random_instants(broker, collectd):
    seed = int(os.environ.get("POSTURE_SEED", random.randrange(10**6)))
    chance = random.Random(seed)
    print("seed", seed)
    load = kafka.load_start(collectd, 30000, rate=1500)
    for _ in range(20):
        time.sleep(chance.uniform(0.1, 0.9))
        collectd.kill()
        collectd.start()
    result = kafka.load_result(load)
    assert result["stored"] == 30000
    collectd.wait_value("spooled", lambda v: v == 0)
    messages = kafka.read_topic(broker.bootstrap, collectd.topic)
    numbers, duplicates = kafka.reports_of(messages)
    print(f"{len(messages)} messages, {duplicates} twice, {result['reconnects']} reconnects")
    assert set(numbers) == set(range(30000))


def test_bad_block_drops_only_this_plugin(broker, tmp_path):
    collectd = Collectd(tmp_path, broker.bootstrap, 'Property "acks" "1"').start()
    try:
        end = time.monotonic() + 10
        while "acks" not in collectd.log() and time.monotonic() < end:
            time.sleep(0.1)
        assert "in-sync" in collectd.log(), collectd.log()
        assert collectd.process.poll() is None and not workers_of(collectd.process)
    finally:
        collectd.kill()
