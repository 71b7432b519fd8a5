# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Names that the tools give to suites, groups, curves, keys, signatures and name attributes, brought to ours (IANA's)."""

import ipaddress
import json
import pathlib
import re

SOURCE = pathlib.Path(__file__).resolve().parents[3]


def _table(name):
    return json.loads((SOURCE / "schemas" / "tls" / f"{name}.json").read_text())[name]


SUITE_CODES = {s["name"]: int(s["code"], 16) for s in _table("suites")}
SUITE_NAMES = {code: name for name, code in SUITE_CODES.items()}
GROUP_CODES = {g["name"]: int(g["code"], 16) for g in _table("groups")}
GROUP_NAMES = {code: name for name, code in GROUP_CODES.items()}

# OpenSSL's, and sslyze's, names of curves that are other than IANA's.
CURVES = {"prime256v1": "secp256r1", "prime192v1": "secp192r1", "X25519": "x25519", "X448": "x448", "P-256": "secp256r1",
          "P-384": "secp384r1", "P-521": "secp521r1"}

# Long names (nmap, sslyze) and OIDs of name attributes.
ATTRIBUTES = {"commonName": "CN", "countryName": "C", "organizationName": "O", "organizationalUnitName": "OU",
              "stateOrProvinceName": "ST", "localityName": "L", "emailAddress": "emailAddress", "domainComponent": "DC",
              "serialNumber": "serialNumber", "userID": "UID"}

SIGNATURES = {"sha1WithRSAEncryption": "rsa_pkcs1_sha1", "sha256WithRSAEncryption": "rsa_pkcs1_sha256",
              "sha384WithRSAEncryption": "rsa_pkcs1_sha384", "sha512WithRSAEncryption": "rsa_pkcs1_sha512",
              "md5WithRSAEncryption": "rsa_pkcs1_md5", "ecdsa-with-SHA1": "ecdsa_sha1", "ecdsa-with-SHA256": "ecdsa_sha256",
              "ecdsa-with-SHA384": "ecdsa_sha384", "ecdsa-with-SHA512": "ecdsa_sha512", "ED25519": "ed25519",
              "ed25519": "ed25519", "ED448": "ed448"}


def curve(name):
    return CURVES.get(name, name)


def unescape(value):
    """The escapes of RFC 2253 and of OpenSSL's one-line form: a backslash before a character, before two hex digits, and
    before x and two hex digits."""
    out, at = bytearray(), 0
    while at < len(value):
        hexed = re.compile(r"\\x?([0-9A-Fa-f]{2})").match(value, at)
        if hexed:
            out.append(int(hexed[1], 16))
            at = hexed.end()
        else:
            at += value[at] == "\\"
            out += value[at].encode()
            at += 1
    return out.decode(errors="replace")


def attributes(pairs):
    """Sorted: only sslyze, sslscan and we show the order, and in two directions."""
    return tuple(sorted((ATTRIBUTES.get(k, k), v) for k, v in pairs))


def rfc2253(text):
    return attributes((k, unescape(v)) for k, v in re.findall(r"([^=,+]+)=((?:\\.|[^,+\\])*)", text))


def one_line(text):
    """/C=JP/O=…/CN=…"""
    return attributes((k, unescape(v)) for k, v in re.findall(r"/([A-Za-z0-9.]+)=((?:(?!/[A-Za-z0-9.]+=).)*)", text))


def san(text):
    try:
        return ipaddress.ip_address(text).compressed
    except ValueError:
        return text


def openssl_sans(text):
    """DNS:a, IP Address:0:0:0:0:0:0:0:1"""
    parts = [p.strip() for p in (text or "").split(",")]
    return frozenset(san(re.sub(r"^(DNS|IP Address|IP):", "", p)) for p in parts if p)


def common_name(pairs):
    return next((v for k, v in pairs if k == "CN"), None)
