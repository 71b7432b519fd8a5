# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Long lists: EndpointsFile in a real collectd, and connections counted over all targets."""

import json
import os
import pathlib
import pwd
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402
from collectd import Collectd, wait_for  # noqa: E402

USER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def values_of(collectd, subject):
    name = "posture_crypto-" + subject.replace("/", "_")  # csv writes slashes so
    return [value for value in collectd.values("posture_crypto", type_instance="tls.version") if value[0].startswith(name + "/")]


def test_file_of_endpoints_is_followed(tmp_path):
    certs = servers.Certificates(tmp_path)
    listen = [("127.0.0.1", port, certs.make("rsa2048"), "TLSv1.2 TLSv1.3", None, "") for port in servers.free_ports(3)]
    one, two, three = (f"tls://127.0.0.1:{port}" for _, port, *_ in listen)
    listing = tmp_path / "endpoints"
    listing.write_text(f"# two of three\n{one}\n{two} EndOfLife=2032-03-31\n")
    with servers.Nginx(tmp_path, None, servers=listen), \
            Collectd(["cpu"], {"posture_crypto": f'TrustStore none\nValues all\nInterval 2\nEndpointsFile "{listing}"\n'}, user=USER) as collectd:
        collectd.start()
        wait_for(lambda: values_of(collectd, one) and values_of(collectd, two), what="two endpoints")
        assert not values_of(collectd, three)
        # A mistake changes nothing and names its line.
        listing.write_text(f"{one}\n{three} EndOfLive=2032-03-31\n")
        collectd.wait_log(f"EndpointsFile '{listing}': {listing}:2: ", timeout=30)
        assert 'did you mean "EndOfLife"' in collectd.log() and "the targets stay as they were" in collectd.log()
        # Written anew, as an editor does: one stays, two goes, three comes.
        new = tmp_path / "endpoints.new"
        new.write_text(f"{one}\n{three}\n")
        new.rename(listing)
        collectd.wait_log("2 targets (2 before, 1 new, 1 gone)", timeout=30)
        wait_for(lambda: values_of(collectd, three), what="the new endpoint")
        before, kept = len(values_of(collectd, two)), len(values_of(collectd, one))
        time.sleep(5)
        assert len(values_of(collectd, two)) <= before + 1 and len(values_of(collectd, one)) > kept
        collectd.wait_value("cpu")
        collectd.stop()
    assert collectd.log().count("worker posture-crypto") < 5  # it was never restarted


def test_what_devices_say_is_measured_when_it_comes(tmp_path):
    """EndpointsFrom device: the file may come later; an address that DNS might not give is left out; a block wins."""
    certs = servers.Certificates(tmp_path)
    listen = [("127.0.0.1", port, certs.make("rsa2048"), "TLSv1.2", None, "") for port in servers.free_ports(2)]
    one, two = (f"tls://127.0.0.1:{port}" for _, port, *_ in listen)
    found = tmp_path / "device-endpoints.json"
    block = (f'TrustStore none\nValues all\nInterval 2\nAllow "127.0.0.1/32"\nEndpointsFrom device\nDeviceEndpoints "{found}"\n'
             f'<Endpoint "{one}">\nEndOfLife "2032-03-31"\n</Endpoint>\n')

    def write(*subjects):
        entries = [{"subject": subject, "device": "snmp://sw1.example"} for subject in subjects]
        new = tmp_path / "new"
        new.write_text(json.dumps({"schema": "posture.endpoints/1", "written": "2026-11-23T08:00:00.000Z", "endpoints": entries}))
        new.rename(found)

    with servers.Nginx(tmp_path, None, servers=listen), Collectd(["cpu"], {"posture_crypto": block}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log(f'option DeviceEndpoints "{found}": ')
        wait_for(lambda: values_of(collectd, one), what="the block")
        write(one, two, "tls://169.254.169.254:443", "ssh://127.0.0.2:22")
        collectd.wait_log("2 entries left out, the first: endpoints[2] ", timeout=30)
        wait_for(lambda: values_of(collectd, two), what="what the device has")
        assert "2 targets (1 before, 1 new, 0 gone)" in collectd.log()
        found.write_text("{}")
        collectd.wait_log("the targets stay as they were", timeout=30)
        write()
        collectd.wait_log("1 targets (2 before, 0 new, 1 gone)", timeout=30)
        collectd.stop()


def test_a_file_that_is_wrong_from_the_start(tmp_path):
    listing = tmp_path / "endpoints"
    listing.write_text("tls://127.0.0.1:1 Web=perhaps\n")
    with Collectd(["cpu"], {"posture_crypto": f'EndpointsFile "{listing}"\n'}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log(f"{listing}:1: ")
        collectd.wait_log("Web")
        collectd.wait_value("cpu")
        collectd.stop()


def test_one_host_with_many_targets_is_spared(tmp_path):
    """Twelve ports of one address, four connections at once, however many targets run."""
    lock, now, most = threading.Lock(), [0], [0]

    def slow(peer, _):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            peer.settimeout(5)
            peer.recv(4096)
            time.sleep(0.02)
        finally:
            with lock:
                now[0] -= 1  # before the answer, which lets the next one in
        peer.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure

    peers = [servers.Scripted(slow) for _ in range(12)]
    reports = crypto_worker.probe([peer.uri for peer in peers], StartRate=1000, ConnectionsPerHost=4, DeadlineMs=60000)
    for peer in peers:
        peer.__exit__()
    assert len(reports) == 12
    assert all(report["facts"]["tls"]["endpoints"][0]["reachable"] for report in reports)
    assert 2 <= most[0] <= 4, most
    assert json.dumps(reports).count('"deadline"') == 0


PROGRAM = crypto_worker.BUILD / "plugins" / "posture" / "posture"


def program(*args, **options):
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"LC_ALL": "C.UTF-8"}
    return subprocess.run([PROGRAM, "probe", *map(str, args)], capture_output=True, text=True, timeout=60, env=env, **options)


def reports_of(text):
    return {report["subject"]: report for report in map(json.loads, text.splitlines())}


def test_list_lines_have_options(tmp_path):
    listing = tmp_path / "list"
    listing.write_text("tls://127.0.0.1:1 EndOfLife=2032-03-31\ntls://127.0.0.1:2\n")
    done = program("-f", listing, "--end-of-life", "2030-01-01", "-o", "json")
    found = {subject: report["declared"]["planned_end"] for subject, report in reports_of(done.stdout).items()}
    assert found == {"tls://127.0.0.1:1": "2032-03-31", "tls://127.0.0.1:2": "2030-01-01"}
    listing.write_text("tls://127.0.0.1:1 EndOfLive=2032-03-31\n")
    done = program("-f", listing)
    assert done.returncode == 2 and 'did you mean "EndOfLife"' in done.stderr


def test_resume_measures_what_is_missing(tmp_path):
    """Killed in the middle; the second run measures only the rest, and shows all."""
    certs = servers.Certificates(tmp_path)
    ports = servers.free_ports(30)
    with servers.Nginx(tmp_path, None, servers=[("127.0.0.1", port, certs.make("rsa2048"), "TLSv1.2", None, "") for port in ports]):
        listing, store = tmp_path / "list", tmp_path / "reports.ndjson"
        listing.write_text("".join(f"tls://127.0.0.1:{port}\n" for port in ports))
        first = subprocess.Popen([PROGRAM, "probe", "-f", listing, "--resume", store, "--rate", "10", "-o", "json"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_for(lambda: store.exists() and store.read_text().count("\n") >= 8, what="eight reports")
        busy = program("-f", listing, "--resume", store)
        assert busy.returncode == 2 and "another process is using it" in busy.stderr
        first.kill()
        first.communicate(timeout=20)
        before = reports_of(store.read_text().rpartition("\n")[0])
        assert 8 <= len(before) < 30
        with store.open("a") as file:
            file.write('{"schema":"posture.report/1","id":"01')  # cut off by the end
        done = program("-f", listing, "--resume", store, "-o", "json")
        assert done.returncode == 0, done.stderr
        assert f"of 30 targets {len(before)} are there already" in done.stderr
        assert set(reports_of(done.stdout)) == {f"tls://127.0.0.1:{port}" for port in ports}
        after = reports_of(store.read_text())
        assert len(store.read_text().splitlines()) == len(after) == 30
        assert all(after[subject]["id"] == report["id"] for subject, report in before.items())
        again = program("-f", listing, "--resume", store, "-o", "json")
        assert again.returncode == 0 and len(again.stdout.splitlines()) == 30 and store.read_text().count("\n") == 30


def test_resume_of_another_file_is_refused_and_left_alone(tmp_path):
    other = tmp_path / "notes.txt"
    other.write_text("my notes\nmore notes")
    done = program("tls://127.0.0.1:1", "--resume", other)
    assert done.returncode == 2 and f"{other}:1" in done.stderr and "expected a file that --resume wrote" in done.stderr
    assert other.read_text() == "my notes\nmore notes"


def test_a_file_that_is_empty_at_first(tmp_path):
    certs = servers.Certificates(tmp_path)
    one = certs.make("rsa2048")
    listen = [("127.0.0.1", port, one, "TLSv1.2 TLSv1.3", None, "") for port in servers.free_ports(1)]
    subject = f"tls://127.0.0.1:{listen[0][1]}"
    listing = tmp_path / "endpoints"
    listing.write_text("# nothing yet\n")
    with servers.Nginx(tmp_path, None, servers=listen), \
            Collectd(["cpu"], {"posture_crypto": f'Values all\nInterval 2\nEndpointsFile "{listing}"\n'}, user=USER) as collectd:
        collectd.start()
        collectd.wait_value("cpu")
        listing.write_text(f"{subject} Web=yes\n")
        collectd.wait_log("1 targets (0 before, 1 new, 0 gone)", timeout=30)
        wait_for(lambda: values_of(collectd, subject), what="the new endpoint")
        collectd.stop()
    assert collectd.log().count("worker posture-crypto") < 5  # it was never restarted
