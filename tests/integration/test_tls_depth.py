# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What the worker posture-crypto finds out about a TLS server beside versions, suites, groups and certificates."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

RSA_PSS = ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"]
RSA_PKCS1 = ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"]


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    return servers.Certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="session")
def schema():
    import jsonschema
    return jsonschema.Draft202012Validator(json.loads((SOURCE / "schemas/facts/tls.schema.json").read_text()))


def measure(endpoint, schema, **options):
    facts, first = crypto_worker.facts(endpoint, **options)
    schema.validate(facts)
    return first


def test_nginx(certs, schema, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048"), extra="ssl_conf_command SignatureAlgorithms "
                       "RSA+SHA256:RSA-PSS+SHA256:RSA-PSS+SHA384;") as server:
        e = measure(server.uri, schema)
    assert "incomplete" not in e
    assert set(e["signature_algorithms"]["TLSv1.2"]) == {"rsa_pkcs1_sha256", "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384"}
    assert set(e["signature_algorithms"]["TLSv1.3"]) == {"rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384"}
    assert e["extended_master_secret"] and e["encrypt_then_mac"] and e["secure_renegotiation"] and e["fallback_scsv"]
    assert not e["client_renegotiation"] and not e["heartbeat"] and e["compression"] == []
    assert e["early_data"] == {"max_bytes": 0}
    assert e["alpn"] == ["http/1.1", "http/1.0", "http/0.9"]
    assert e["sessions"] == {"TLSv1.2": {"ticket": True, "ticket_lifetime_s": 300, "id": True, "resumed": True},
                             "TLSv1.3": {"tickets": 2, "ticket_lifetime_s": 300}}
    assert e["chains"][0]["ocsp_staple"] == {"present": False}


def test_connections_of_each_fact(certs, schema, tmp_path):
    """Beyond basic: one per scheme of TLS 1.2 but the first and its refusal; of 1.3 but the first and all others together;
    the fallback; one per protocol and its refusal; a session and its resumption. Whatever else is free."""
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server, servers.proxy_to(server.port) as counter:
        basic = measure(counter.uri, schema, Depth="basic")
        full = measure(counter.uri, schema)
    schemes = full["signature_algorithms"]
    want = len(schemes["TLSv1.2"]) + len(schemes["TLSv1.3"]) + 1 + len(full["alpn"]) + 1 + 2
    assert full["connections"] - basic["connections"] - want in (-1, 0, 1)  # whether a last refusal needs a proof


def test_basic_says_what_it_leaves_out(certs, schema, tmp_path):
    with servers.Nginx(tmp_path, certs.make("rsa2048")) as server:
        (report,) = crypto_worker.probe([server.uri], Depth="basic")
    results = {r["check"]: r["result"] for r in report["results"]}
    for check in ("signature_algorithms", "extended_master_secret", "renegotiation", "compression", "early_data",
                  "ocsp_stapling"):
        assert results[f"tls.{check}"] == "unknown", check
    assert results["tls.version"] == "pass"


def test_two_certificates(certs, schema, tmp_path):
    pairs = [certs.make("rsa2048"), certs.make("ec-P-256")]
    with servers.Nginx(tmp_path, pairs) as server:
        e = measure(server.uri, schema)
    assert set(e["signature_algorithms"]["TLSv1.3"]) == {*RSA_PSS, "ecdsa_secp256r1_sha256"}
    assert {*RSA_PSS, *RSA_PKCS1, "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384"} <= set(
        e["signature_algorithms"]["TLSv1.2"])
    assert len(e["chains"]) == 2


@pytest.mark.parametrize("key, want", [("ed25519", "ed25519"), ("ec-secp384r1", "ecdsa_secp384r1_sha384")])
def test_only_tls13(certs, schema, tmp_path, key, want):
    with servers.Nginx(tmp_path, certs.make(key), protocols="TLSv1.3", extra="ssl_early_data on;") as server:
        e = measure(server.uri, schema)
    assert e["signature_algorithms"] == {"TLSv1.3": [want]}
    assert e["early_data"] == {"max_bytes": 16384}
    assert e["alpn"] == ["http/1.1", "http/1.0", "http/0.9"]  # by whole handshakes: what is chosen is encrypted
    assert not {"extended_master_secret", "compression", "client_renegotiation", "fallback_scsv"} & set(e)
    assert "incomplete" not in e


def test_early_data_limit(certs, schema):
    with servers.OpenSsl(certs.make("rsa2048"), "-early_data", "-max_early_data", "5000", rev=False) as server:
        e = measure(server.uri, schema)
    assert e["early_data"] == {"max_bytes": 5000}


def test_no_tickets(certs, schema):
    with servers.OpenSsl(certs.make("rsa2048"), "-num_tickets", "0", "-no_ticket") as server:
        e = measure(server.uri, schema)
    assert e["sessions"]["TLSv1.3"] == {"tickets": 0} and e["early_data"] == {"max_bytes": 0}
    assert e["sessions"]["TLSv1.2"] == {"ticket": False, "id": True, "resumed": True}


def test_client_renegotiation(certs, schema):
    with servers.OpenSsl(certs.make("rsa2048"), "-tls1_2", "-client_renegotiation") as server:
        (report,) = crypto_worker.probe([server.uri])
    (e,) = report["facts"]["tls"]["endpoints"]
    assert e["client_renegotiation"] is True and e["secure_renegotiation"] is True
    (result,) = [r for r in report["results"] if r["check"] == "tls.renegotiation"]
    assert result["result"] == "warn" and result["code"] == "tls.renegotiation.by_client"


def test_gnutls(certs, schema):
    with servers.GnuTls(certs.make("rsa2048"), "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3:-SIGN-RSA-SHA1:%NO_ETM:"
                        "%NO_SESSION_HASH") as server:
        e = measure(server.uri, schema)
    assert e["encrypt_then_mac"] is False and e["extended_master_secret"] is False
    assert set(e["signature_algorithms"]["TLSv1.2"]) == {*RSA_PSS, *RSA_PKCS1}
    assert set(e["signature_algorithms"]["TLSv1.3"]) == set(RSA_PSS)
    assert e["dhe"] == {"bits": 2048, "group": "ffdhe2048"}


def test_gnutls_without_safe_renegotiation(certs, schema):
    with servers.GnuTls(certs.make("rsa2048"), "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION") as server:
        (report,) = crypto_worker.probe([server.uri])
    (e,) = report["facts"]["tls"]["endpoints"]
    assert e["secure_renegotiation"] is False
    (result,) = [r for r in report["results"] if r["check"] == "tls.renegotiation"]
    assert result["result"] == "fail" and result["code"] == "tls.renegotiation.insecure"


def test_tlslite(certs, schema):
    with servers.TlsLite(certs.make("rsa2048"), useExtendedMasterSecret=False, useEncryptThenMAC=False,
                         rsaSigHashes=["sha256", "sha1"], rsaSchemes=["pkcs1"], maxVersion=(3, 3)) as server:
        e = measure(server.uri, schema)
    assert e["extended_master_secret"] is False and e["encrypt_then_mac"] is False
    assert set(e["signature_algorithms"]["TLSv1.2"]) == {"rsa_pkcs1_sha256", "rsa_pkcs1_sha1"}
    assert e["heartbeat"] is True


def test_alpn(certs, schema):
    with servers.Node(certs.make("rsa2048"), '{"ALPNProtocols":["h2","http/1.1"]}') as server:
        e = measure(server.uri, schema)
    assert e["alpn"] == ["h2", "http/1.1"]


def test_named_prime(certs, schema):
    with servers.OpenSsl(certs.make("rsa2048"), "-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256") as server:
        e = measure(server.uri, schema)
    assert e["dhe"] == {"bits": 2048, "group": "modp2048"} and e["dhe_bits"] == 2048


def test_prime_of_its_own(certs, schema, tmp_path):
    params = tmp_path / "dh.pem"
    subprocess.run(["openssl", "dhparam", "-dsaparam", "-out", params, "2048"], check=True, capture_output=True)
    with servers.Nginx(tmp_path, certs.make("rsa2048"), protocols="TLSv1.2", ciphers="DHE-RSA-AES128-GCM-SHA256",
                       extra=f"ssl_dhparam {params};") as server:
        e = measure(server.uri, schema)
    assert e["dhe"] == {"bits": 2048} and e["dhe_bits"] == 2048


# -- stapling: answers that a real responder has made -----------------------------------------------------------------------

def ocsp_answer(certs, leaf, ca, status="V", signer=None, days=7):
    """The path of an OCSPResponse of `openssl ocsp` about the leaf."""
    folder = pathlib.Path(leaf[0]).parent
    serial = subprocess.run(["openssl", "x509", "-in", leaf[0], "-noout", "-serial"], check=True, capture_output=True,
                            text=True).stdout.strip().split("=")[1]
    index, answer = folder / f"index-{status}", folder / f"ocsp-{status}-{'other' if signer else 'ca'}-{days}.der"
    revoked = "261001000000Z,keyCompromise" if status == "R" else ""
    index.write_text(f"{status}\t361231235959Z\t{revoked}\t{serial}\tunknown\t/CN=localhost\n" if status != "N" else "")
    signer = signer or ca
    request = folder / "request.der"
    subprocess.run(["openssl", "ocsp", "-issuer", ca[0], "-cert", leaf[0], "-no_nonce", "-reqout", request], check=True,
                   capture_output=True)
    subprocess.run(["openssl", "ocsp", "-index", index, "-CA", ca[0], "-rsigner", signer[0], "-rkey", signer[1], "-reqin",
                    request, "-respout", answer, "-ndays", str(days)], check=True, capture_output=True)
    return str(answer)


@pytest.mark.parametrize("status, word, result", [("V", "good", "pass"), ("R", "revoked", "fail"), ("N", "unknown", "fail")])
@pytest.mark.parametrize("protocols", ["TLSv1.2", "TLSv1.3", "TLSv1.2 TLSv1.3"])
def test_staple(certs, schema, tmp_path, status, word, result, protocols):
    ca = certs.make_ca()
    leaf = certs.make("rsa2048", ca=ca)
    answer = ocsp_answer(certs, leaf, ca, status)
    with servers.Nginx(tmp_path, leaf, protocols=protocols, extra=f"ssl_stapling on; ssl_stapling_file {answer};") as server:
        (report,) = crypto_worker.probe([server.uri])
    schema.validate(report["facts"]["tls"])
    staple = report["facts"]["tls"]["endpoints"][0]["chains"][0]["ocsp_staple"]
    assert (staple["present"], staple["status"], staple["signature"], staple["current"]) == (True, word, "ok", True)
    assert ("revoked_at" in staple) == (status == "R") and staple["this_update"] < staple["next_update"]
    assert [r["result"] for r in report["results"] if r["check"] == "tls.ocsp_stapling"] == [result]


def test_staple_by_somebody_else(certs, schema, tmp_path):
    ca, other = certs.make_ca(), certs.make_ca(name="other")
    leaf = certs.make("rsa2048", ca=ca)
    with servers.Nginx(tmp_path, leaf, extra="ssl_stapling on; ssl_stapling_file "
                       f"{ocsp_answer(certs, leaf, ca, signer=other)};") as server:
        e = measure(server.uri, schema)
    assert e["chains"][0]["ocsp_staple"]["signature"] == "invalid"


def test_staple_of_another_certificate_and_without_issuer(certs, schema, tmp_path):
    ca = certs.make_ca()
    leaf, other = certs.make("rsa2048", ca=ca), certs.make("ec-P-256", ca=ca)
    with servers.OpenSsl(leaf, "-status_file", ocsp_answer(certs, other, ca), "-cert_chain", ca[0]) as server:
        assert measure(server.uri, schema)["chains"][0]["ocsp_staple"] == {"present": True, "error": "other_certificate"}
    with servers.OpenSsl(leaf, "-tls1_2", "-status_file", ocsp_answer(certs, leaf, ca)) as server:  # without its issuer
        assert measure(server.uri, schema)["chains"][0]["ocsp_staple"]["signature"] == "unverified"
