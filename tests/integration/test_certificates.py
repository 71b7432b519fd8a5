# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Each way in which a certificate should be refused, though verifiers often let it pass: what the reader and the checks
make of the chain. Beside each fault the same chain without it, which passes everything."""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "support"))
import certificates as c  # noqa: E402

BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", pathlib.Path(__file__).parents[2] / "build" / "dev"))
JUDGE = BUILD / "tests" / "support" / "certificate_judge"
WORLD = c.World()
NEW = c.Key.ec()
DAY = datetime.timedelta(days=1)
GOOD_CRL = dict(issuer=WORLD.names["ca"], signer=WORLD.keys["ca"], revoked=[(99, 1)])
STAPLE = {"present": True, "status": "good", "signature": "ok", "current": True, "next_update": "2026-11-25T00:00:00.000Z"}


def judge(tmp_path, served, store=None, crl=None, public=False, host=c.HOST, at="2026-11-23T00:00:00Z", staple=None, profile=None):
    """{check: result} of a chain; served and store are lists of DER."""
    chain = tmp_path / "chain.pem"
    chain.write_text("".join(c.pem("CERTIFICATE", der) for der in served))
    args = [str(JUDGE), "--host", host, "--at", at]
    if store is not None:
        path = tmp_path / "store.pem"
        path.write_text("".join(c.pem("CERTIFICATE", der) for der in store))
        args += ["--store", str(path)]
    if crl is not None:
        path = tmp_path / "crl.pem"
        path.write_text("".join(c.pem("X509 CRL", der) for der in crl))
        args += ["--crl", str(path)]
    args += ["--public"] if public else []
    args += ["--staple", json.dumps(staple)] if staple else []
    args += ["--profile", profile] if profile else []
    out = subprocess.run(args + [str(chain)], check=True, capture_output=True, text=True)
    document = json.loads(out.stdout)
    results = {r["check"]: r for r in document["results"] if r["check"].startswith("tls.cert.")}
    return document["facts"]["endpoints"][0], results


def world(leaf=None, ca=None, root=None, order=(0, 1), extra=()):
    """(served, store). Each part: a dict for World.make(), its change under "change"."""
    def made(who, fields):
        return WORLD.make(who, **(fields or {}))
    parts = [made("leaf", leaf), made("ca", ca)]
    return [parts[i] for i in order] + list(extra), [made("root", root)]


def leaf(change=None, add=(), **fields):
    return {"leaf": dict(change=change, add=add, **fields)}


def ca(change=None, add=(), **fields):
    return {"ca": dict(change=change, add=add, **fields)}


def root(change=None, add=(), **fields):
    return {"root": dict(change=change, add=add, **fields)}


def weak_ca(key):
    """An intermediate with this key, which signs the leaf."""
    return {"ca": dict(key=key), "leaf": dict(signer=key)}


ROCA = c.roca_key()
MODULUS = 2**2047 + 2**1000 + 12345678987654321  # no product of two primes that anybody knows
DSA = c.Key.dsa(2048)
RSA = c.Key.rsa(2048)
RSA_ODD = c.Key.rsa(2052)
RSA_1024 = c.Key.rsa(1024)
EXPLICIT = c.Key.ec_spelled_out()
P192 = c.Key.ec(c.ec.SECP192R1)
ROOT_1024 = {"root": dict(key=RSA_1024), "ca": dict(signer=RSA_1024)}

# label: (what is otherwise, check, result below a private CA, below a public one, code)
FAMILIES = {
    # names
    "cn only": (leaf({"san": None}), "name", "fail", "fail", "common_name_only"),
    "empty san": (leaf({"san": c.alt_names()}), "name", "fail", "fail", "common_name_only"),
    "other name": (leaf({"san": c.alt_names("www.example.lg.jp")}, subject=c.name(("CN", "www.example.lg.jp"))), "name", "fail", "fail",
                   "mismatch"),
    "no name at all": (leaf({"san": None}, subject=c.name(("O", "Example"))), "name", "fail", "fail", "no_san"),
    "san of another kind": (leaf({"san": c.alt_names(c.tlv(0x81, b"www@example.go.jp"))}, subject=c.name(("O", "Example"))), "name",
                            "fail", "fail", "no_san"),
    "san not critical, no subject": (leaf(subject=c.name()), "name", "warn", "fail", "san_not_critical"),
    "san critical": (leaf({"san": c.alt_names(c.HOST, critical=True)}), "name", "warn", "warn", "san_critical"),
    "common name beside": (leaf(subject=c.name(("CN", "www.example.lg.jp"))), "name", "warn", "fail", "common_name"),
    "ip of 5 bytes": (leaf({"san": c.alt_names(c.HOST, c.ip(b"\x0a\0\0\1\0"))}), "name", "fail", "fail", "malformed"),
    "ip as dns": (leaf({"san": c.alt_names(c.HOST, "192.0.2.1")}), "name", "warn", "fail", "not_public"),
    "underscore": (leaf({"san": c.alt_names(c.HOST, "a_b.example.go.jp")}), "name", "warn", "fail", "not_public"),
    "hyphen at the end": (leaf({"san": c.alt_names(c.HOST, "a-.example.go.jp")}), "name", "warn", "fail", "not_public"),
    "u-label": (leaf({"san": c.alt_names(c.HOST, c.dns("例.example.go.jp"))}), "name", "fail", "fail", "malformed"),
    "nul": (leaf({"san": c.alt_names(c.HOST, c.dns(b"www.example.go.jp\0.example.org"))}), "name", "fail", "fail", "malformed"),
    "dot at the end": (leaf({"san": c.alt_names(c.HOST, "www.example.go.jp.")}), "name", "fail", "fail", "malformed"),
    "space": (leaf({"san": c.alt_names(c.HOST, " ")}), "name", "fail", "fail", "malformed"),
    "label of 64": (leaf({"san": c.alt_names(c.HOST, "a" * 64 + ".example.go.jp")}), "name", "fail", "fail", "malformed"),
    # wildcards
    "*.go.jp": (leaf({"san": c.alt_names(c.HOST, "*.go.jp")}), "wildcard", "fail", "fail", "public_suffix"),
    "*.tokyo.jp": (leaf({"san": c.alt_names(c.HOST, "*.chiyoda.tokyo.jp")}), "wildcard", "fail", "fail", "public_suffix"),
    "*.github.io": (leaf({"san": c.alt_names(c.HOST, "*.github.io")}), "wildcard", "warn", "warn", "shared_suffix"),
    "*": (leaf({"san": c.alt_names(c.HOST, "*")}), "wildcard", "fail", "fail", "position"),
    "*.jp": (leaf({"san": c.alt_names(c.HOST, "*.jp")}), "wildcard", "fail", "fail", "position"),
    "www.*.go.jp": (leaf({"san": c.alt_names(c.HOST, "www.*.go.jp")}), "wildcard", "fail", "fail", "position"),
    "w*.example.go.jp": (leaf({"san": c.alt_names(c.HOST, "w*.example.go.jp")}), "wildcard", "fail", "fail", "position"),
    "*.*.go.jp": (leaf({"san": c.alt_names(c.HOST, "*.*.go.jp")}), "wildcard", "fail", "fail", "position"),
    # usage
    "version 1": (leaf(version=1, extensions=[]), "usage", "fail", "fail", "version_1"),
    "ca as leaf": (leaf({"bc": c.basic_constraints(True)}), "usage", "fail", "fail", "ca_as_leaf"),
    "leaf that signs": (leaf({"ku": c.key_usage("digital_signature", "key_cert_sign")}), "usage", "fail", "fail", "leaf_signs"),
    "no eku": (leaf({"eku": None}), "usage", "warn", "fail", "no_purpose"),
    "any eku": (leaf({"eku": c.purposes("any")}), "usage", "warn", "fail", "any_purpose"),
    "empty eku": (leaf({"eku": c.purposes()}), "usage", "fail", "fail", "not_for_servers"),
    "client eku": (leaf({"eku": c.purposes("client")}), "usage", "fail", "fail", "not_for_servers"),
    "critical eku": (leaf({"eku": c.purposes("server", critical=True)}), "usage", "warn", "warn", "purpose_critical"),
    "eku of the ca": (ca({"eku": c.purposes("client")}), "usage", "fail", "fail", "not_for_servers"),
    "eku of the root": (root({"eku": c.purposes("server")}), "usage", "warn", "pass", "root_purpose"),
    "key usage for nothing": (leaf({"ku": c.key_usage("content_commitment")}), "usage", "fail", "fail", "key_usage"),
    "intermediate without ca": (ca({"bc": c.basic_constraints(False)}), "usage", "fail", "fail", "issuer_not_ca"),
    "intermediate without bc": (ca({"bc": None}), "usage", "fail", "fail", "issuer_not_ca"),
    "intermediate cannot sign": (ca({"ku": c.key_usage("crl_sign")}), "usage", "fail", "fail", "issuer_cannot_sign"),
    "root cannot sign": (root({"ku": c.key_usage("crl_sign")}), "usage", "fail", "fail", "issuer_cannot_sign"),
    "intermediate without ku": (ca({"ku": None}), "usage", "warn", "fail", "ca_key_usage"),
    "pathlen of the root": (root({"bc": c.basic_constraints(True, 0)}), "usage", "fail", "fail", "path_length"),
    "nc in leaf": (leaf(add=[c.name_constraints(permitted=["example.go.jp"])]), "usage", "fail", "fail", "leaf_constrains"),
    "nc not critical": (ca(add=[c.name_constraints(permitted=["example.go.jp"], critical=False)]), "usage", "warn", "warn",
                        "constraints_ignored"),
    "nc empty": (ca(add=[c.name_constraints()]), "usage", "fail", "fail", "constraints_malformed"),
    "nc empty lists": (ca(add=[c.name_constraints(raw=c.seq(c.tlv(0xA0), c.tlv(0xA1)))]), "usage", "fail", "fail",
                       "constraints_malformed"),
    "nc wildcard": (ca(add=[c.name_constraints(permitted=["*.example.go.jp", "go.jp"])]), "usage", "fail", "fail", "constraints_malformed"),
    "nc leading dot": (ca(add=[c.name_constraints(permitted=[".example.go.jp", "go.jp"])]), "usage", "fail", "fail",
                       "constraints_malformed"),
    "nc ip mask": (ca(add=[c.name_constraints(permitted=["go.jp", c.ip(bytes([10, 0, 0, 0, 255, 0, 255, 0]))])]), "usage", "fail",
                   "fail", "constraints_malformed"),
    "nc ip length": (ca(add=[c.name_constraints(permitted=["go.jp", c.ip(bytes(5))])]), "usage", "fail", "fail",
                     "constraints_malformed"),
    "nc and wildcard": ({"leaf": dict(change={"san": c.alt_names(c.HOST, "*.example.go.jp")}),
                         "ca": dict(add=[c.name_constraints(excluded=["secret.example.go.jp"])])}, "usage", "fail", "fail",
                        "constraints_escaped"),
    # form
    "other algorithm inside": (leaf(inner="ecdsa_sha384"), "form", "fail", "fail", "signature_mismatch"),
    "extension twice": (leaf(add=[c.subject_key(NEW)]), "form", "fail", "fail", "extension_repeated"),
    "malformed san": (leaf({"san": ("2.5.29.17", False, b"\x30\x03\x82\x05x")}), "form", "fail", "fail", "extension_malformed"),
    "malformed aia": (leaf(add=[c.access(raw=c.octets(b"http"))]), "form", "fail", "fail", "extension_malformed"),
    "unknown critical": (leaf(add=[c.unknown()]), "form", "fail", "fail", "extension_unknown"),
    "unknown critical, ca": (ca(add=[c.unknown()]), "form", "fail", "fail", "extension_unknown"),
    "unknown critical, root": (root(add=[c.unknown()]), "form", "fail", "fail", "extension_unknown"),
    "extensions in v1": (leaf(version=1), "form", "fail", "fail", "extension_version"),
    "empty issuer": ({"leaf": dict(issuer=c.name()), "ca": dict(subject=c.name())}, "form", "fail", "fail", "issuer_empty"),
    "empty ca subject": ({"leaf": dict(issuer=c.name()), "ca": dict(subject=c.name())}, "form", "fail", "fail", "issuer_empty"),
    "generalized time": (leaf(encode=c.generalized_time), "form", "fail", "fail", "time_encoding"),
    "generalized time, end": (leaf(encode_after=c.generalized_time), "form", "fail", "fail", "time_encoding"),
    "no seconds": (leaf(encode=lambda when: c.tlv(0x17, when.strftime("%y%m%d%H%MZ").encode())), "form", "fail", "fail",
                   "time_encoding"),
    "zone": (leaf(encode=lambda when: c.tlv(0x17, when.strftime("%y%m%d%H%M%S+0900").encode())), "form", "fail", "fail",
             "time_encoding"),
    "pss hashes differ": ({"ca": dict(key=RSA), "leaf": dict(signer=RSA, algorithm=c.pss(mask_oid="1.3.14.3.2.26"))}, "form", "warn",
                          "fail", "pss_parameters"),
    "no aki": (leaf({"aki": None}), "form", "warn", "fail", "aki_missing"),
    "no aki, ca": (ca({"aki": None}), "form", "warn", "fail", "aki_missing"),
    "aki critical": (leaf({"aki": c.authority_key(WORLD.keys["ca"], critical=True)}), "form", "warn", "fail", "aki_critical"),
    "aki of the root by serial": (root({"aki": c.authority_key(WORLD.keys["root"], c.tlv(0x82, b"\x1d\x63\xac\xf1\xa2\xb3\xc4\xd5\xe6\xf7\x08\x19\x2a\x3b\x4c\x5d"))}),
                                  "form", "warn", "pass", "aki_of_root"),
    "no ski, ca": (ca({"ski": None}), "form", "warn", "fail", "ski_missing"),
    "no ski, root": (root({"ski": None}), "form", "warn", "pass", "ski_missing"),
    "ski critical": (leaf({"ski": c.subject_key(WORLD.keys["leaf"], critical=True)}), "form", "warn", "fail", "ski_critical"),
    "bc not critical, ca": (ca({"bc": c.basic_constraints(True, 0, critical=False)}), "form", "warn", "fail",
                            "basic_constraints_not_critical"),
    "bc not critical, root": (root({"bc": c.basic_constraints(True, critical=False)}), "form", "warn", "pass",
                              "basic_constraints_not_critical"),
    "pathlen in leaf": (leaf({"bc": c.basic_constraints(False, 0)}), "form", "warn", "fail", "path_length"),
    "pathlen negative": (ca({"bc": c.basic_constraints(True, -1)}), "form", "warn", "fail", "path_length"),
    "policy constraints": (ca(add=[c.policy_constraints(critical=False)]), "form", "warn", "fail", "policy_constraints_not_critical"),
    "critical aia": (leaf(add=[c.access(critical=True)]), "form", "warn", "fail", "aia_critical"),
    # serial numbers
    "serial negative": (leaf(serial=-WORLD.serials["leaf"]), "serial", "fail", "fail", "negative"),
    "serial zero": (leaf(serial=0), "serial", "fail", "fail", "zero"),
    "serial of 21 octets": (leaf(serial=1 << 160), "serial", "fail", "fail", "long"),
    "serial of 20 and a sign": (leaf(serial=(1 << 160) - 1), "serial", "fail", "fail", "long"),
    "serial 1": (leaf(serial=1), "serial", "warn", "fail", "short"),
    "serial 1, ca": (ca(serial=1), "serial", "warn", "fail", "short"),
    # keys, wherever they are
    "rsa 1024": (leaf(key=RSA_1024), "key", "fail", "fail", "algorithm.too_weak"),
    "rsa 1024, ca": (weak_ca(RSA_1024), "key", "fail", "fail", "algorithm.too_weak"),
    "rsa 1024, root": (ROOT_1024, "key", "fail", "fail", "algorithm.too_weak"),
    "p-192": (leaf(key=P192), "key", "fail", "fail", "algorithm.too_weak"),
    "p-192, ca": (weak_ca(P192), "key", "fail", "fail", "algorithm.too_weak"),
    "dsa": (leaf(key=DSA), "key", None, "fail", "dsa"),
    "rsa 2052": (leaf(key=RSA_ODD), "key", None, "fail", "odd_size"),
    "exponent 1": (leaf(key=c.Key.rsa_numbers(RSA.private.public_key().public_numbers().n, 1)), "key", "fail", "fail", "exponent"),
    "exponent even": (leaf(key=c.Key.rsa_numbers(RSA.private.public_key().public_numbers().n, 65536)), "key", "fail", "fail", "exponent"),
    "roca": (leaf(key=ROCA), "key", "fail", "fail", "roca"),
    "small factor": (leaf(key=c.Key.rsa_numbers(3 * (MODULUS // 3), 65537)), "key", "fail", "fail", "small_factor"),
    "curve spelled out": (leaf(key=EXPLICIT), "key", "fail", "fail", "explicit_curve"),
    "curve spelled out, ca": (weak_ca(EXPLICIT), "key", "fail", "fail", "explicit_curve"),
    # signatures
    "sha-1": (leaf(algorithm="ecdsa_sha1"), "signature", None, None, "algorithm."),
    "sha-1, ca": (ca(algorithm="ecdsa_sha1"), "signature", None, None, "algorithm."),
    "md5": ({"ca": dict(key=RSA), "leaf": dict(signer=RSA, algorithm="rsa_md5")}, "signature", "fail", "fail", "algorithm.unlisted"),
    # lifetime
    "expired": (leaf(not_after=c.NOW - DAY), "validity", "fail", "fail", "expired"),
    "not yet": (leaf(not_before=c.NOW + DAY), "validity", "fail", "fail", "not_yet"),
    "expired ca": (ca(not_after=c.NOW - DAY), "validity", "fail", "fail", "expired"),
    "over 200 days": (leaf(not_after=c.NOW + 171 * DAY), "lifetime", "na", "fail", "long"),
}

SUPPORTED_BY_TIMESTAMPS = [c.timestamps(1, 2)]


def short(code):
    return code.split(".", 3)[-1] if code.startswith("tls.cert.") else code


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
@pytest.mark.parametrize("label", FAMILIES)
def test_family(tmp_path, label, public):
    parts, check, private_result, public_result, code = FAMILIES[label]
    served, store = world(**parts)
    _, results = judge(tmp_path, served, store, public=public)
    got = results[f"tls.cert.{check}"]
    # What does not verify is no public certificate.
    is_public = public and results["tls.cert.chain"]["result"] == "pass"
    want = public_result if is_public else private_result
    if want is None:  # by the profile's own row
        assert got["result"] in ("warn", "fail") and got["code"].startswith("algorithm."), got
        return
    assert got["result"] == want, (got, results["tls.cert.chain"])
    if want not in ("na", "pass"):
        assert got["code"] == (code if code.startswith("algorithm.") else f"tls.cert.{check}.{code}"), got


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_control(tmp_path, public):
    """Nothing wrong: every check passes, or is not asked of a private CA."""
    served, store = world(leaf=dict(add=[*SUPPORTED_BY_TIMESTAMPS, c.policies("2.23.140.1.2.1"), c.access(), c.crl_points()]))
    endpoint, results = judge(tmp_path, served, store, crl=[c.revocation_list(**GOOD_CRL)], public=public)
    for check, result in results.items():
        want = "na" if not public and check in ("tls.cert.lifetime", "tls.cert.transparency") else "pass"
        assert result["result"] == want, result
    certificate = endpoint["chains"][0]["certificates"][0]
    assert certificate["extensions"]["policies"]["validation"] == "dv"
    assert certificate["extensions"]["scts"] == {"count": 2, "logs": 2}
    assert certificate["extensions"]["authority_key_id"] == {"key_id": True, "matches": True}
    assert certificate["extensions"]["authority_info_access"]["ocsp"] == ["http://ocsp.example.go.jp/"]
    verification = endpoint["chains"][0]["verification"]
    assert verification["path"] == [0, 1] and verification["matched"] == c.HOST
    assert [s["subject"] for s in verification["stored"]] == ["CN=Example Root"]


def test_other_keys_pass(tmp_path):
    for key in (RSA_3072, c.Key.ec(c.ec.SECP384R1), c.Key.ed25519()):
        served, store = world(**leaf(key=key))
        _, results = judge(tmp_path, served, store)
        assert results["tls.cert.key"]["result"] == "pass", results["tls.cert.key"]
        assert results["tls.cert.usage"]["result"] == "pass"


RSA_3072 = c.Key.rsa(3072)


def test_no_end_is_valid(tmp_path):
    """9999-12-31 23:59:59, as RFC 5280 has it where no end is meant."""
    served, store = world(**leaf(not_after=datetime.datetime(9999, 12, 31, 23, 59, 59)))
    _, results = judge(tmp_path, served, store)
    assert results["tls.cert.validity"]["result"] == "pass"
    assert results["tls.cert.form"]["result"] == "pass"


def test_chain_as_served(tmp_path):
    served, store = world()
    other = WORLD.make("ca", subject=c.name(("CN", "Example CA G1")), key=NEW)
    rows = {
        "trusted": (served, store, "pass"),
        "root_served": (served + store, store, "pass"),
        "extra": (served + [other], store, "pass"),
        "order": ([served[0], other, served[1]], store, "pass"),
        "incomplete": (served[:1], store, "fail"),
        "refused": (served + store, [WORLD.make("root", key=NEW)], "fail"),
    }
    rows["extra"] = rows["order"]  # another one in the middle
    two = WORLD.make("ca", subject=c.name(("CN", "Example CA G3")), key=NEW, change={"bc": c.basic_constraints(True)})
    below = WORLD.make("ca", issuer=c.name(("CN", "Example CA G3")), signer=NEW)
    rows["order"] = ([served[0], two, below], store, "warn")
    for code, (chain, anchors, want) in rows.items():
        _, results = judge(tmp_path, chain, anchors)
        assert (results["tls.cert.chain"]["result"], results["tls.cert.chain"]["code"]) == (want, f"tls.cert.chain.{code}")


def test_intermediate_in_the_store(tmp_path):
    served, _ = world()
    _, results = judge(tmp_path, served[:1], served[1:])
    assert results["tls.cert.chain"]["code"] == "tls.cert.chain.trusted"


def test_expired_certificate_that_nobody_needs(tmp_path):
    served, store = world(extra=[WORLD.make("ca", key=NEW, not_after=c.NOW - DAY, subject=c.name(("CN", "Old CA")))])
    _, results = judge(tmp_path, served, store)
    assert results["tls.cert.validity"]["result"] == "pass"


def test_rollover_is_no_root(tmp_path):
    """Issuer and subject alike, signed with another key: its SHA-1 counts, a root's own does not."""
    rollover = WORLD.make("root", key=NEW, signer=WORLD.keys["root"], algorithm="ecdsa_sha1", serial=0x1122334455667788990011,
                          change={"aki": c.authority_key(WORLD.keys["root"])})
    below = WORLD.make("ca", signer=NEW)
    served, store = world(root=dict(algorithm="ecdsa_sha1"))
    _, results = judge(tmp_path, served + store, store)
    assert results["tls.cert.signature"]["result"] == "pass"
    _, results = judge(tmp_path, [served[0], below, rollover], store)
    assert results["tls.cert.chain"]["result"] == "pass"
    assert results["tls.cert.signature"]["result"] in ("warn", "fail")


LIFETIMES = {
    "before any rule": ("2011-01-01", 4000, "pass", "no_limit"),
    "825 in 2019": ("2019-01-01", 825, "pass", "within"),
    "826 in 2019": ("2019-01-01", 826, "fail", "long"),
    "398 in 2025": ("2025-06-01", 398, "pass", "within"),
    "399 in 2025": ("2025-06-01", 399, "fail", "long"),
    "200 from 2026-03-15": ("2026-03-15", 200, "pass", "within"),
    "201 from 2026-03-15": ("2026-03-15", 201, "fail", "long"),
    "398 the day before": ("2026-03-14", 398, "pass", "within"),
    "101 from 2027-03-15": ("2027-03-15", 101, "fail", "long"),
    "47 from 2029-03-15": ("2029-03-15", 47, "pass", "within"),
    "48 from 2029-03-15": ("2029-03-15", 48, "fail", "long"),
}


@pytest.mark.parametrize("label", LIFETIMES)
def test_lifetime(tmp_path, label):
    day, days, want, code = LIFETIMES[label]
    start = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.timezone.utc)
    wide = dict(not_before=start - 400 * DAY, not_after=start + 9000 * DAY)
    served, store = world(leaf=dict(not_before=start, not_after=start + days * DAY - datetime.timedelta(seconds=1)), ca=wide, root=wide)
    at = (start + DAY).strftime("%Y-%m-%dT00:00:00Z")
    _, results = judge(tmp_path, served, store, public=True, at=at)
    got = results["tls.cert.lifetime"]
    assert (got["result"], got["code"], got["value"]) == (want, f"tls.cert.lifetime.{code}", days)


@pytest.mark.parametrize("logs,days,want", [((), 60, "unknown"), ((1,), 60, "unknown"), ((1, 1), 60, "unknown"), ((1, 2), 60, "pass"),
                                            ((1, 2), 170, "unknown"), ((1, 2, 3), 170, "pass")])
def test_transparency(tmp_path, logs, days, want):
    served, store = world(**leaf(add=[c.timestamps(*logs)] if logs else [], not_after=c.NOW + days * DAY))
    _, results = judge(tmp_path, served, store, public=True)
    assert results["tls.cert.transparency"]["result"] == want, results["tls.cert.transparency"]


LEAF = WORLD.serials["leaf"]
CRLS = {
    "good": ({}, "pass", "good"),
    "revoked": (dict(revoked=[(7, 0), (LEAF, 1)]), "fail", "revoked"),
    "expired": (dict(next_update=c.NOW - datetime.timedelta(hours=1)), "unknown", "no_answer"),
    "not yet": (dict(this_update=c.NOW + DAY), "unknown", "no_answer"),
    "forged": (dict(signer=NEW), "unknown", "no_answer"),
    "of another issuer": (dict(issuer=c.name(("CN", "Somebody"))), "unknown", "no_answer"),
    "without a number": (dict(number=None), "unknown", "no_answer"),
    "number critical": (dict(number_critical=True), "unknown", "no_answer"),
    "for CAs only": (dict(extensions=[("2.5.29.28", True, c.seq(c.tlv(0x82, b"\xff")))]), "unknown", "no_answer"),
    "delta": (dict(extensions=[("2.5.29.27", True, c.integer(1))]), "unknown", "no_answer"),
    "unknown critical": (dict(extensions=[c.unknown()]), "unknown", "no_answer"),
}


@pytest.mark.parametrize("label", CRLS)
def test_revocation_list(tmp_path, label):
    fields, want, code = CRLS[label]
    served, store = world()
    _, results = judge(tmp_path, served, store, crl=[c.revocation_list(**(GOOD_CRL | fields))])
    got = results["tls.cert.revocation"]
    assert (got["result"], got["code"]) == (want, f"tls.cert.revocation.{code}"), got


@pytest.mark.parametrize("named,want", [("one", "pass"), ("two", "unknown"), (None, "unknown")])
def test_list_that_was_split(tmp_path, named, want):
    """A list of one place says nothing of certificates whose list is another."""
    url = "http://crl.example.go.jp/{}.crl".format
    part = ("2.5.29.28", True, c.seq(c.tlv(0xA0, c.tlv(0xA0, c.tlv(0x86, url("one").encode())))))
    served, store = world(leaf=dict(add=[c.crl_points(url(named))] if named else []))
    _, results = judge(tmp_path, served, store, crl=[c.revocation_list(**GOOD_CRL, extensions=[part])])
    got = results["tls.cert.revocation"]
    assert got["result"] == want and got["args"].get("why") == (None if want == "pass" else "partial"), got


def test_revoked_intermediate(tmp_path):
    served, store = world()
    of_root = c.revocation_list(issuer=WORLD.names["root"], signer=WORLD.keys["root"], revoked=[(WORLD.serials["ca"], 2)])
    endpoint, results = judge(tmp_path, served, store, crl=[c.revocation_list(**GOOD_CRL), of_root])
    assert results["tls.cert.revocation"]["args"]["reason"] == "ca_compromise"
    statuses = [a["status"] for a in endpoint["chains"][0]["verification"]["crl"]["certificates"]]
    assert statuses == ["good", "revoked"]


def test_issuer_may_not_sign_lists(tmp_path):
    served, store = world(**ca({"ku": c.key_usage("key_cert_sign")}))
    _, results = judge(tmp_path, served, store, crl=[c.revocation_list(**GOOD_CRL)])
    assert results["tls.cert.revocation"]["args"]["why"] == "issuer_usage"


STAPLES = {
    "good": ({}, (), "pass", "good"),
    "revoked": (dict(status="revoked"), (), "fail", "revoked"),
    "revoked, forged": (dict(status="revoked", signature="invalid"), (), "unknown", "no_answer"),
    "forged": (dict(signature="invalid"), (), "unknown", "no_answer"),
    "unverified": (dict(signature="unverified"), (), "unknown", "no_answer"),
    "old": (dict(current=False), (), "unknown", "no_answer"),
    "over at the date": (dict(next_update="2026-11-22T00:00:00.000Z"), (), "unknown", "no_answer"),
    "none": (dict(present=False), (), "na", "no_source"),
    "none, though there is a responder": (dict(present=False), (c.access(),), "unknown", "unmeasured"),
    "none, though promised": (dict(present=False), (c.must_staple(),), "fail", "must_staple"),
}


@pytest.mark.parametrize("label", STAPLES)
def test_staple(tmp_path, label):
    fields, add, want, code = STAPLES[label]
    served, store = world(**leaf(add=add))
    _, results = judge(tmp_path, served, store, staple=STAPLE | fields)
    got = results["tls.cert.revocation"]
    assert (got["result"], got["code"]) == (want, f"tls.cert.revocation.{code}"), got


def test_names_without_end_are_cut(tmp_path):
    """As many names as fit into one certificate of 64 KiB; OpenSSL sees them all, the facts have the first thousand."""
    names = [f"a{i}.jp" for i in range(5000)]
    served, store = world(**leaf({"san": c.alt_names(*names, c.HOST)}))
    endpoint, results = judge(tmp_path, served, store)
    sans = endpoint["chains"][0]["certificates"][0]["sans"]
    assert len(sans["dns"]) == 1000 and sans["truncated"] is True
    assert results["tls.cert.name"]["result"] == "pass"


def test_extensions_without_end_are_cut(tmp_path):
    served, store = world(**leaf(add=[(f"1.3.6.1.4.1.99999.{i}", True, b"\5\0") for i in range(2000)]))
    endpoint, results = judge(tmp_path, served, store)
    extensions = endpoint["chains"][0]["certificates"][0]["extensions"]
    assert extensions["truncated"] is True and len(extensions["unknown_critical"]) == 16
    assert results["tls.cert.form"]["code"] == "tls.cert.form.extension_unknown"


@pytest.mark.parametrize("host,names,want", [
    ("www.example.go.jp", ["*.example.go.jp"], "ok"),
    ("WWW.EXAMPLE.GO.JP", ["www.example.go.jp"], "ok"),
    ("example.go.jp", ["*.example.go.jp"], "mismatch"),
    ("a.b.example.go.jp", ["*.example.go.jp"], "mismatch"),
    ("www.example.go.jp", ["w*.example.go.jp"], "mismatch"),
    ("www.example.go.jp", ["www.*.go.jp"], "mismatch"),
    ("xn--fsq.example.go.jp", ["*.example.go.jp"], "ok"),
    ("192.0.2.1", [c.ip(bytes([192, 0, 2, 1]))], "ok"),
    ("192.0.2.1", ["192.0.2.1"], "mismatch"),
    ("2001:db8::1", [c.ip(bytes.fromhex("20010db8000000000000000000000001"))], "ok"),
    ("www.example.go.jp", [c.dns(b"www.example.go.jp\0.example.org")], "mismatch"),
])
def test_name_rules(tmp_path, host, names, want):
    served, store = world(**leaf({"san": c.alt_names(*names)}))
    endpoint, _ = judge(tmp_path, served, store, host=host)
    assert endpoint["chains"][0]["verification"]["name"] == want


def test_folder_as_store(tmp_path):
    served, store = world()
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "root.pem").write_text(c.pem("CERTIFICATE", store[0]))
    (folder / "README").write_text("no certificate\n")
    chain = tmp_path / "chain.pem"
    chain.write_text("".join(c.pem("CERTIFICATE", der) for der in served))
    out = subprocess.run([str(JUDGE), "--store", str(folder), "--at", "2026-11-23T00:00:00Z", str(chain)], check=True,
                         capture_output=True, text=True)
    assert json.loads(out.stdout)["facts"]["endpoints"][0]["chains"][0]["verification"]["chain"] == "ok"
