#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What is lost on the way from the spool to the state of the nation when things are killed, on real parts.

    tests/faults/path_loss.py [--kills 20] [--away 60] [--rate 300] [--seed N] [SCENARIO…]

A load of reports with running numbers goes through the spool's socket (each number is answered after its commit), the
real broker and the real gate. Each scenario kills one part with SIGKILL at random instants; at the end every number that
was answered "stored" must be in the state topic. Prints a line a scenario and, last, "N passed, N failed".
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import centre as centres  # noqa: E402
import collectd as collectds  # noqa: E402
import kafka  # noqa: E402
import tls_servers  # noqa: E402

BODY = kafka.TOP / "tests/bench/data/report-600.json"


def numbers_in_state(broker):
    """Numbers of the load's records, how often each was written, and everything's keys."""
    seen = {}
    for message in kafka.read_topic(broker.bootstrap, "posture.state.v1", timeout=120):
        if message.value and b'"load":1' in message.value:
            number = json.loads(message.value)["load"] - 1000000000
            seen[number] = seen.get(number, 0) + 1
    return seen


def wait_state(broker, stored, patience=60):
    """Reads the state until all stored numbers are there or nothing new comes for a while."""
    last, since = -1, time.monotonic()
    while True:
        seen = numbers_in_state(broker)
        if len(seen) >= stored:
            return seen
        if len(seen) > last:
            last, since = len(seen), time.monotonic()
        if time.monotonic() - since > patience:
            return seen
        time.sleep(1)


class Path:
    """Broker, worker kafka and centre, with a load running; the parts that a scenario kills are its own."""

    def __init__(self, base, arguments, with_worker=True, seconds=None):
        self.base = base
        self.broker = kafka.Broker(base / "broker", partitions=6).start()
        self.registry = centres.registry(centres.agency_entry("moj", max_subjects=10000000))
        self.centre = centres.Centre(base / "centre", self.broker, self.registry).start()
        self.worker = kafka.Worker(base / "worker", {"Brokers": self.broker.bootstrap}).start().wait_ready() \
            if with_worker else None
        self.arguments = arguments
        self.seconds = seconds

    def load(self, seconds, socket_holder=None):
        count = int(seconds * self.arguments.rate)
        return kafka.load_start(socket_holder or self.worker, count, rate=self.arguments.rate, body=BODY,
                                patience=180, subjects=10000000)

    def close(self):
        self.centre.close()
        if self.worker:
            self.worker.close()
        self.broker.stop()


def kill_moments(kills, chance, shortest=0.3, longest=1.5):
    return [chance.uniform(shortest, longest) for _ in range(kills)]


def finish(path, load, what):
    result = kafka.load_result(load, timeout=300)
    seen = wait_state(path.broker, result["stored"])
    lost = result["stored"] - len(seen)
    written_twice = sum(n - 1 for n in seen.values())
    print(f"{what}: stored {result['stored']}, in the state {len(seen)}, lost {lost}, written twice {written_twice}, "
          f"refused {result['refused']}", flush=True)
    return lost == 0 and result["refused"] == 0 and result["stored"] > 0


def broker_away(path, arguments, chance):
    load = path.load(arguments.away + 20)
    time.sleep(3)
    path.broker.kill()
    time.sleep(arguments.away)
    path.broker.start(topics=False)
    return finish(path, load, f"broker killed and away {arguments.away} s")


def worker_kafka(path, arguments, chance):
    moments = kill_moments(arguments.kills, chance)
    load = path.load(sum(moments) + 5)
    for moment in moments:
        time.sleep(moment)
        path.worker.kill()
        path.worker.start().wait_ready()
    return finish(path, load, f"worker kafka killed {arguments.kills} times")


def centre(path, arguments, chance):
    moments = kill_moments(arguments.kills, chance, 0.5, 3)
    load = path.load(sum(moments) + 5)
    for moment in moments:
        time.sleep(moment)
        path.centre.kill()
        path.centre.start()
    return finish(path, load, f"centre killed {arguments.kills} times")


def collectd(path, arguments, chance):
    """The whole collectd of an agency: its workers end with it, and start with the next one."""
    moments = kill_moments(arguments.kills, chance, 0.5, 2)
    with collectds.Collectd(["cpu"], {"posture_kafka": f"""Agency "moj"
        Reporter "noc1.moj.example"
        Brokers "{path.broker.bootstrap}"
        Security plaintext
        SpoolReserveBytes 0
        SpoolDir "{path.base}/spool" """}) as daemon:
        spool = path.base / "spool"
        spool.mkdir(mode=0o700)
        shutil.chown(spool, "nobody", "nogroup")
        daemon.socket_path = daemon.spool_socket
        daemon.start()
        collectds.wait_for(daemon.spool_socket.exists, what="spool socket")
        load = path.load(sum(moments) + arguments.kills + 5, daemon)
        for moment in moments:
            time.sleep(moment)
            daemon.process.kill()
            daemon.process.wait()
            daemon.pid_file.unlink(missing_ok=True)
            daemon.start()
        return finish(path, load, f"collectd killed {arguments.kills} times")


def worker_crypto(path, arguments, chance):
    """The measuring worker: what the spool accepted from it arrives, and it measures on after each kill."""
    servers, lives = 8, (arguments.kills + 1) // 2
    pair = tls_servers.Certificates(path.base / "pki").make("ec-P-256")
    ports = kafka.free_ports(servers)
    farm = [("127.0.0.1", port, pair, "TLSv1.2 TLSv1.3", None, "") for port in ports]
    with tls_servers.Nginx(path.base, pair, servers=farm), collectds.Collectd(["cpu"], {
            "posture_kafka": f"""Agency "moj"
                Reporter "noc1.moj.example"
                Brokers "{path.broker.bootstrap}"
                Security plaintext
                SpoolReserveBytes 0
                SpoolDir "{path.base}/spool" """,
            "posture_crypto": "TrustStore none\nInterval 1\nStartRate 100\n" +
            "\n".join(f'<Endpoint "tls://127.0.0.1:{p}">\n</Endpoint>' for p in ports)}) as daemon:
        spool = path.base / "spool"
        spool.mkdir(mode=0o700)
        shutil.chown(spool, "nobody", "nogroup")
        killed = 0
        for _ in range(lives):
            daemon.pid_file.unlink(missing_ok=True)
            daemon.start()
            for _ in range(2):
                pid = daemon.worker("posture-crypto")
                time.sleep(chance.uniform(0.3, 1.5))
                os.kill(pid, signal.SIGKILL)
                killed += 1
                collectds.wait_for(lambda old=pid: daemon.worker("posture-crypto") != old, what="a new worker")
            time.sleep(1.2)  # one more whole round
            accepted = daemon.wait_value("posture_kafka", type_instance="accepted", at_least=1)[2][0]
            assert daemon.is_running()
            daemon.stop()
        # The last counters are written once more after the start; then nothing new is measured.
        numbers = {}
        for message in kafka.read_topic(path.broker.bootstrap, "posture.reports.v1"):
            if "posture.report.v1" in message.headers.values():
                numbers[message.headers["ce_id"]] = message.key
        time.sleep(3)
        state = {m.headers["ce_id"] for m in kafka.read_topic(path.broker.bootstrap, "posture.state.v1")}
        lost = len(set(numbers) - state)
        measured = len(set(numbers.values()))
        print(f"worker crypto killed {killed} times: accepted {accepted:.0f} (with heartbeats), reports {len(numbers)} of "
              f"{measured} subjects, not in the state {lost}", flush=True)
        return lost == 0 and measured == servers and len(numbers) >= servers * lives


SCENARIOS = {"broker": (broker_away, True), "worker-kafka": (worker_kafka, True), "centre": (centre, True),
             "collectd": (collectd, False), "worker-crypto": (worker_crypto, False)}


def main():
    parser = argparse.ArgumentParser(description="what is lost when parts of the path are killed")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--away", type=float, default=60)
    parser.add_argument("--rate", type=int, default=300, help="reports a second")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    arguments = parser.parse_args()
    for name in arguments.scenarios:
        if name not in SCENARIOS:
            parser.error(f"{name}: expected one of {', '.join(SCENARIOS)}")
    print(f"seed {arguments.seed}", flush=True)
    passed = failed = 0
    for name in arguments.scenarios or SCENARIOS:
        run, with_worker = SCENARIOS[name]
        base = pathlib.Path(tempfile.mkdtemp(prefix="posture-faults."))
        base.chmod(0o755)
        path = Path(base, arguments, with_worker)
        good = False
        try:
            good = run(path, arguments, random.Random(arguments.seed))
        except AssertionError as error:
            print(f"{name}: {error}")
        finally:
            path.close()
            if good:
                shutil.rmtree(base, ignore_errors=True)
            else:
                print(f"{name}: FAILED; what it left is in {base}")
        passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
