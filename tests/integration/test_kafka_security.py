# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""TLS with a client certificate and SASL to a real broker; what is said when they do not fit."""
import pathlib
import subprocess
import sys
import time

import confluent_kafka
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import kafka  # noqa: E402

pytestmark = pytest.mark.skipif(not kafka.java_is_here(), reason="no Java")


def certs_make(directory):
    subprocess.run([str(kafka.BROKER), "certs", str(directory)], check=True, timeout=60)
    return directory


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    return certs_make(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory, certs):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker-tls"), certs=certs, sasl_user="posture-moj:s3cret", partitions=4)
    broker.start()
    yield broker
    broker.stop()


def secret(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def run(tmp_path, broker, options, count=100):
    """Reports delivered and log lines of a worker with these options."""
    worker = kafka.Worker(tmp_path / "w", options)
    worker.start().wait_ready()
    assert worker.refused is None, worker.refused
    try:
        kafka.load(worker, count)
        worker.wait_stat("spooled", lambda v: v == 0)
        assert worker.stats["delivered"] == count + 1
    finally:
        worker.close()
    for _, text in worker.logs:
        assert "s3cret" not in text and "PRIVATE KEY" not in text


def run_refused(tmp_path, options, expected):
    """Nothing is delivered, everything is kept, and one line says why."""
    worker = kafka.Worker(tmp_path / "w", options)
    worker.start().wait_ready()
    assert worker.refused is None, worker.refused
    try:
        assert kafka.load(worker, 100)["stored"] == 100
        worker.wait_stat("spooled", lambda v: v == 101)
        found = []
        end = time.monotonic() + 15
        while not found and time.monotonic() < end:
            time.sleep(0.1)
            found = [text for level, text in worker.logs if level == "warning" and expected in text]
        assert found, worker.logs
        time.sleep(3)
        found = [text for level, text in worker.logs if level == "warning"]
        assert len(found) <= 2, found  # the cause, and that no broker is left
        assert worker.stats["delivered"] == 0 and worker.stats["refused"] == 0
    finally:
        worker.close()


def tls(broker, certs, **more):
    return {"Brokers": f"127.0.0.1:{broker.tls_port}", "Security": "tls", "TLSCACert": str(certs / "ca.pem"),
            "TLSCert": str(certs / "client.crt"), "TLSKey": str(certs / "client.key"), **more}


def sasl(broker, certs, tmp_path, mechanism, password="s3cret\n"):
    return {"Brokers": f"localhost:{broker.sasl_port}", "Security": "sasl_tls", "TLSCACert": str(certs / "ca.pem"),
            "SASLMechanism": mechanism, "SASLUser": "posture-moj",
            "SASLPasswordFile": secret(tmp_path / "password", password)}


def test_tls_with_client_certificate(broker, certs, tmp_path):
    run(tmp_path, broker, tls(broker, certs))


def test_authority_is_found_among_several(broker, certs, tmp_path, tmp_path_factory):
    other = certs_make(tmp_path_factory.mktemp("other-bundle"))
    bundle = tmp_path / "bundle.pem"
    bundle.write_text((other / "ca.pem").read_text() + (certs / "ca.pem").read_text())
    run(tmp_path, broker, tls(broker, certs, TLSCACert=str(bundle)))


def test_sasl_plain_over_tls(broker, certs, tmp_path):
    run(tmp_path, broker, sasl(broker, certs, tmp_path, "PLAIN"))


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_sasl_scram_over_tls(broker, certs, tmp_path, mechanism):
    """Kafka 4 and librdkafka before 2.6.1 (Debian 12) do not understand each other; the operator is told."""
    options = sasl(broker, certs, tmp_path, mechanism)
    if confluent_kafka.libversion()[1] >= 0x02060100:
        run(tmp_path, broker, options)
    else:
        run_refused(tmp_path, options, "librdkafka before 2.6.1 cannot do SCRAM")


def test_plain_needs_tls(tmp_path):
    worker = kafka.Worker(tmp_path / "w", {"Brokers": "127.0.0.1:1", "Security": "sasl_plaintext", "SASLUser": "moj",
                                           "SASLMechanism": "PLAIN",
                                           "SASLPasswordFile": secret(tmp_path / "password", "s3cret")})
    worker.start()
    worker.wait_ready()
    worker.close()
    assert "PLAIN shows the password" in worker.refused


def test_wrong_authority_is_refused(broker, certs, tmp_path, tmp_path_factory):
    other = certs_make(tmp_path_factory.mktemp("other"))
    run_refused(tmp_path, tls(broker, certs, TLSCACert=str(other / "ca.pem")), "certificate verify failed")


def test_wrong_name_is_refused(broker, certs, tmp_path):
    # 127.0.0.2 is loopback too, but not in the certificate.
    forward = subprocess.Popen([sys.executable, "-c", FORWARD, str(broker.tls_port)], stdout=subprocess.PIPE, text=True)
    try:
        port = int(forward.stdout.readline())
        run_refused(tmp_path, tls(broker, certs, Brokers=f"127.0.0.2:{port}"), "certificate verify failed")
    finally:
        forward.kill()
        forward.wait()


def test_client_certificate_is_needed(broker, certs, tmp_path):
    options = tls(broker, certs)
    del options["TLSCert"], options["TLSKey"]
    run_refused(tmp_path, options, "SSL")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_wrong_password_is_refused(broker, certs, tmp_path, mechanism):
    run_refused(tmp_path, sasl(broker, certs, tmp_path, mechanism, "wrong"), "uthentication failed")


FORWARD = """
import socket, sys, threading
s = socket.socket(); s.bind(("127.0.0.2", 0)); s.listen(16)
print(s.getsockname()[1], flush=True)
def pump(a, b):
    while data := a.recv(65536):
        b.sendall(data)
    b.close()
while True:
    a, _ = s.accept()
    b = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    for x, y in ((a, b), (b, a)):
        threading.Thread(target=pump, args=(x, y), daemon=True).start()
"""
