# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Long lists: EndpointsFile in a real collectd, and connections counted over all targets."""

import json
import os
import pathlib
import pwd
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
            peer.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure
        finally:
            with lock:
                now[0] -= 1

    peers = [servers.Scripted(slow) for _ in range(12)]
    reports = crypto_worker.probe([peer.uri for peer in peers], StartRate=1000, ConnectionsPerHost=4, DeadlineMs=60000)
    for peer in peers:
        peer.__exit__()
    assert len(reports) == 12
    assert all(report["facts"]["tls"]["endpoints"][0]["reachable"] for report in reports)
    assert 2 <= most[0] <= 4, most
    assert json.dumps(reports).count('"deadline"') == 0
