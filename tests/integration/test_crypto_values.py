# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""posture_crypto in a real collectd: exceptions on record, and the years left, as a monitoring system gets them."""

import datetime
import json
import os
import pathlib
import pwd
import re
import socket
import sys
import tempfile
import urllib.request

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import prometheus  # noqa: E402
import tls_servers  # noqa: E402
from collectd import Collectd, wait_for  # noqa: E402

USER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
JST = datetime.timezone(datetime.timedelta(hours=9))


@pytest.fixture(name="server", scope="module")
def fixture_server(tmp_path_factory):
    with tempfile.TemporaryDirectory() as folder:
        certificates = tls_servers.Certificates(folder)
        with tls_servers.Nginx(tmp_path_factory.mktemp("rsa2048"), [certificates.make("rsa2048")],
                               ciphers="ECDHE+AESGCM") as server:
            yield server


@pytest.fixture(name="folder")
def fixture_folder():
    with tempfile.TemporaryDirectory(prefix="posture-exceptions-") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def free_port():
    with socket.socket(socket.AF_INET6) as s:
        s.bind(("::1", 0))
        return s.getsockname()[1]


def exceptions(folder, subject, *entries):
    path = folder / "exceptions.json"
    path.write_text(json.dumps({"schema": "posture.exceptions/1", "exceptions": [
        {"subject": subject, "reason": "until the load balancer is replaced", "owner": "NW section"} | e for e in entries]}))
    path.chmod(0o644)
    return path


def last(collectd, **which):
    return collectd.values("posture_crypto", **which)[-1][2][0]


def test_exceptions_are_counted_and_the_years_left_are_told(server, folder, tmp_path):
    subject = f"tls://127.0.0.1:{server.port}"
    path = exceptions(folder, subject, {"check": "tls.cert.key", "expires": "2099-03-31"},
                      {"check": "tls.pq_hybrid", "expires": "2020-03-31"})
    port = free_port()
    block = f'TrustStore none\nExceptionsFile "{path}"\n<Endpoint "{subject}">\n</Endpoint>\n'
    with Collectd({"write_prometheus": f'Host "::1"\nPort "{port}"'}, {"posture_crypto": block}, user=USER) as collectd:
        collectd.start()
        collectd.wait_value("posture_crypto", type="count", type_instance="excepted", at_least=1, timeout=30)
        assert last(collectd, type="count", type_instance="excepted") == 1  # the other has expired
        assert last(collectd, type="gauge", type_instance="tls.cert.key") == 0.5  # and is no pass
        years = 2030 - datetime.datetime.now(JST).year
        assert last(collectd, type="gauge", type_instance="tls.strength_until.years_left") == years

        # As Prometheus reads it: what the rule of dashboards/prometheus/rules counts.
        def scraped():
            with urllib.request.urlopen(f"http://[::1]:{port}/metrics", timeout=5) as answer:
                found = re.search(r'^(collectd_posture_crypto_gauge)\{([^}]*years_left[^}]*)\} (\S+)', answer.read().decode(), re.M)
            return found
        found = wait_for(scraped, timeout=20, what="the years left in write_prometheus")
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found[2]))
        assert labels["type"] == "tls.strength_until.years_left"
        assert labels["posture_crypto"] == subject.replace("/", "_")  # collectd writes it so
        assert float(found[3]) == years

        # And the board draws it.
        with prometheus.Prometheus(tmp_path, f"[::1]:{port}") as server_of_metrics:
            prometheus.wait_for(lambda: server_of_metrics.query("years:posture_strength_subjects:count"), 40, "the record is there")
            board = json.loads((SOURCE / "dashboards/grafana/strength.json").read_text(encoding="utf-8"))
            targets = [t for panel in board["panels"] for t in panel.get("targets", [])]
            assert len(targets) == 2
            for target in targets:
                expr = target["expr"].replace("$job", ".*")
                shown = server_of_metrics.query(expr) if target["instant"] else server_of_metrics.query_range(expr)
                assert [series["metric"]["years_left"] for series in shown] == [str(years)]
        collectd.stop()


def test_a_wrong_exception_is_named_and_measures_nothing(folder):
    path = exceptions(folder, "tls://127.0.0.1:1", {"check": "tls.versions", "expires": "2099-03-31"})
    block = f'ExceptionsFile "{path}"\n<Endpoint "tls://127.0.0.1:1">\n</Endpoint>\n'
    with Collectd(["cpu"], {"posture_crypto": block}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log('option ExceptionsFile')
        assert 'exceptions[0]: there is no check "tls.versions"; did you mean "tls.version"?' in collectd.log()
        collectd.wait_value("cpu")
        collectd.stop()
