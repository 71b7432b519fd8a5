# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Profiles against the tables that they build on: a misspelt name would be a rule that never applies."""

import json
import os
import pathlib

import pytest

SCHEMAS = pathlib.Path(os.environ["POSTURE_SOURCE_DIR"]) / "schemas"


def load(name):
    return json.loads((SCHEMAS / name).read_text("utf-8"))


SUITES = load("tls/suites.json")["suites"]
GROUPS = load("tls/groups.json")["groups"]
SIGNATURES = load("tls/signatures.json")["signatures"]
PROFILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((SCHEMAS / "profiles").glob("*.json"))}

KNOWN = {
    "version": {"SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"},
    "cipher": {s["cipher"] for s in SUITES},
    "mode": {s["mode"] for s in SUITES},
    "mac": {s["mac"] for s in SUITES} | {"SHA-512"},
    "key_exchange": {s["key_exchange"] for s in SUITES} | {"EXPORT"},
    "authentication": {s["authentication"] for s in SUITES},
    "group": {g["name"] for g in GROUPS},
    "key": {s["key_type"] for s in SIGNATURES},
    "signature": {"rsa_pkcs1", "rsa_pss", "ecdsa", "dsa", "ed25519", "ed448"},
    "feature": {"tls.compression", "tls.insecure_renegotiation", "tls.client_renegotiation", "tls.no_extended_master_secret",
                "tls.early_data", "tls.no_ocsp_stapling"},
    "tls_minimum": {"SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"} | {f"SECLEVEL={n}" for n in range(6)},
    "crypto_policy": {"DEFAULT", "FUTURE", "FIPS", "NEXT", "BSI", "LEGACY"} | {":" + m for m in (
        "NO-SHA1", "NO-CBC", "NO-CAMELLIA", "ECDHE-ONLY", "OSPP", "PQ", "TEST-PQ", "NO-PQ", "NO-ENFORCE-EMS", "SHA1",
        "AD-SUPPORT", "AD-SUPPORT-LEGACY", "GOST")},
    "hash": {s["hash"] for s in SIGNATURES} | {"md2", "md4", "ripemd160", "sha512-256", "sha3-256", "sha3-384", "sha3-512"},
}


@pytest.mark.parametrize("name", PROFILES)
def test_id_is_the_file_name(name):
    assert PROFILES[name]["id"] == name


@pytest.mark.parametrize("name", PROFILES)
def test_rows_name_what_the_tables_have(name):
    for row in PROFILES[name]["rows"]:
        assert row["name"] in KNOWN[row["class"]], row


@pytest.mark.parametrize("name", PROFILES)
def test_types_name_what_the_tables_have(name):
    names = {s["name"] for s in SUITES}
    for kind in PROFILES[name].get("tls_types", {}).get("types", []):
        assert {v["name"] for v in kind["versions"]} <= KNOWN["version"]
        for suites in kind["suites"]:
            assert set(suites["names"]) <= names
            assert len(set(suites["names"])) == len(suites["names"])


def test_numbers_of_suites_are_the_guideline_s():
    """GL-3001: 17 of TLS 1.2 in the high type, 37 in the recommended one (Camellia-GCM counted apart)."""
    high, recommended, exception = PROFILES["cryptrec-ls0001-2022r2"]["tls_types"]["types"]
    assert [t["id"] for t in (high, recommended, exception)] == ["high", "recommended", "exception"]
    assert len(high["suites"][1]["names"]) == 17
    assert len(recommended["suites"][1]["names"]) == 37
    assert set(high["suites"][1]["names"]) < set(recommended["suites"][1]["names"])
    for kind in (high, recommended, exception):
        assert len(kind["suites"][0]["names"]) == 5
