# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What the built worker really reports, of a server that answers and of two that do not, is what the schema says."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
sys.path.insert(0, os.path.dirname(__file__))
import crypto_worker  # noqa: E402
import test_schemas  # noqa: E402


@pytest.fixture(name="server")
def fixture_server(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", key, "-cert", certificate, "-quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port, certificate
        process.terminate()


@pytest.mark.parametrize("store", ["none", "own"])
def test_reports_of_the_worker(server, store):
    port, certificate = server
    reports = crypto_worker.probe(
        [f"tls://localhost:{port}", "tls://127.0.0.1:1"],
        Allow=["127.0.0.0/8", "::1/128"], TrustStore="none" if store == "none" else str(certificate))
    reports += crypto_worker.probe(["tls://no-such-name.invalid:443"], wrapper=crypto_worker.OFFLINE)
    assert len(reports) == 3
    name = "report.v1.schema.json"
    for report in reports:
        assert test_schemas.ours([(name, json.dumps(report))]) == ["ok"]
        test_schemas.validator(name).validate(report)
    verification = reports[0]["facts"]["tls"]["endpoints"][-1]["chains"][0]["verification"]
    assert verification["name"] == "ok" and verification["chain"] == ("unchecked" if store == "none" else "ok")
