# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""posture_criteria in a real collectd: the pages over TLS with a token and with client certificates, from the worker in its sandbox."""
import json
import os
import pathlib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import centre as support  # noqa: E402
import collectd as daemon  # noqa: E402
import kafka  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists(daemon.DAEMON) or not kafka.java_is_here(),
                                reason="needs root, collectd and java")

SUBJECT = "tls://a.moj.example:443"
TOKEN = "a-token-of-some-length"
PARTITIONS = 4


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = kafka.Broker(tmp_path_factory.mktemp("broker"), partitions=PARTITIONS)
    yield broker.start()
    broker.stop()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """A CA, certificates of a server and of a client, an RSA one too, and a token: files as an operator has them."""
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name, key in (("server", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("server-rsa", ["rsa:2048"]),
                      ("client", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])):
        (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("req", "-newkey", *key, "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem")
        (folder / f"{name}.key").chmod(0o600)
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "token").chmod(0o600)
    # The worker's user reads the registry by itself; keys and token stay root's.
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.getuid() and path not in (pathlib.Path("/tmp"), pathlib.Path("/")):
            path.chmod(path.stat().st_mode | 0o011)
    return folder


def context_of(pki, version, client=None):
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    if client:
        context.load_cert_chain(str(pki / f"{client}.pem"), str(pki / f"{client}.key"))
    return context


def get(url, context, token=None):
    """(status, body); (0, why) when there is no answer."""
    request = urllib.request.Request(url, headers={"Authorization": "Bearer " + token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError as error:
        return 0, str(error)


@pytest.mark.parametrize("server,more", [("server", "ListenTokenFile"), ("server-rsa", "ListenClientCA")])
def test_pages_over_tls_from_the_sandbox(broker, pki, server, more):
    port = kafka.free_ports(1)[0]
    prefix = "tls" + server.replace("-", "")
    for name, partitions in {"reports.v1": PARTITIONS, "state.v1": PARTITIONS, "rejected.v1": 1,
                             "evaluations.v1": 1}.items():
        compact = {"cleanup.policy": "compact"} if name in ("state.v1", "evaluations.v1") else {}
        broker.topic(f"{prefix}.{name}", partitions, **{"message.timestamp.type": "LogAppendTime"}, **compact)
    registry = pki / f"registry-{server}.json"
    registry.write_text(json.dumps(support.registry(support.agency_entry("moj", SUBJECT))))
    registry.chmod(0o644)
    option = {"ListenTokenFile": f'ListenTokenFile "{pki}/token"', "ListenClientCA": f'ListenClientCA "{pki}/ca.pem"'}
    block = f"""
        Brokers "{broker.bootstrap}"
        Security plaintext
        TopicPrefix "{prefix}"
        Registry "{registry}"
        EvaluateInterval 0.5
        Listen "0.0.0.0:{port}"
        ListenTLSCert "{pki}/{server}.pem"
        ListenTLSKey "{pki}/{server}.key"
        {option[more]}"""
    producer = support.producer(broker)
    support.Agency(producer, "moj", "noc1", PARTITIONS, f"{prefix}.reports.v1").report(SUBJECT)
    producer.flush()

    with daemon.Collectd(posture={"posture_criteria": block}) as collectd:
        collectd.start()
        worker = collectd.worker("posture-criteria")
        url = f"https://127.0.0.1:{port}"
        is_token = more == "ListenTokenFile"
        client, token = (None, TOKEN) if is_token else ("client", None)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = context_of(pki, version, client)
            daemon.wait_for(lambda: 'scope="nation"' in get(url + "/metrics", context, token)[1], 30, "the metrics")
            for path in ("/", "/?lang=ja", "/evaluations.json"):
                status, body = get(url + path, context, token)
                assert status == 200 and "moj" in body, (path, status, body[:200])
            # Nobody else has an answer, and asking does no harm.
            status, _ = get(url + "/", context_of(pki, version), None)
            assert status == (401 if is_token else 403) or (not is_token and status == 0)
        assert get(f"http://127.0.0.1:{port}/", None)[0] in (0, 400)
        for _ in range(20):
            assert get(url + "/metrics", context, token)[0] == 200
        fields = daemon.status_of(worker)
        assert fields["Seccomp"] == "2" and fields["NoNewPrivs"] == "1" and fields["Uid"].split()[0] != "0"
        assert collectd.worker("posture-criteria") == worker, "the same worker: none was killed"
        assert "ended" not in collectd.log() and "killed" not in collectd.log(), collectd.log()
        collectd.stop()
