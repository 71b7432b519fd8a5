#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Compares what posture-crypto finds with sslscan, nmap and testssl.sh on twelve local servers; prints every difference.

    tests/bench/tls_agreement.py [--tools sslscan,nmap,testssl] [--build build/release] [SERVER…]

Versions and suites by version with all three, groups with sslscan, the leaf's key with sslscan. "+" only we found it,
"-" only the tool did. A difference that EXPLAINED gives the reason for is marked "="; exit status 1 when one is not.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

SUITES = json.loads((SOURCE / "schemas" / "tls" / "suites.json").read_text())["suites"]
CODES = {s["name"]: int(s["code"], 16) for s in SUITES}
NAMES = {int(s["code"], 16): s["name"] for s in SUITES}
GROUP_CODES = {g["name"]: int(g["code"], 16)
               for g in json.loads((SOURCE / "schemas" / "tls" / "groups.json").read_text())["groups"]}
GROUP_NAMES = {code: name for name, code in GROUP_CODES.items()}

# (tool, kind, sign, predicate on (server, version, name), why)
EXPLAINED = [
    ("sslscan", None, "+", lambda server, version, name: "Camellia-GCM" in server,
     "sslscan speaks with OpenSSL, which has no Camellia-GCM: nothing is left to try groups with"),
    ("sslscan", None, "+", lambda server, version, name: "tlslite" in server and version != "SSLv3",
     "sslscan sees SSLv3 alone; nmap agrees with us and openssl s_client completes TLS 1.0 and 1.2; why is not known"),
    ("sslscan", "version", "+", lambda server, version, name: "ML-KEM" in server,
     "the curve of the certificate is not among the server's groups: with an RSA certificate sslscan sees TLS 1.2 too"),
    ("sslscan", "suite", "+", lambda server, version, name: True, "sslscan knows the suites of the OpenSSL it is built with"),
    ("sslscan", "group", "+", lambda server, version, name: "MLKEM" in name or "brainpool" in name or "ffdhe" in name,
     "sslscan 2.0.7 has no ML-KEM, and tries only groups of its own table"),
    ("testssl", "suite", "+", lambda server, version, name: True, "testssl.sh 3.0.8 tries the suites of its own mapping only"),
]


def empty():
    return {"suites": {}, "groups": None, "key": None}


def run_posture(port, build):
    _, e = crypto_worker.facts(f"tls://127.0.0.1:{port}", program=build / "plugins" / "posture_crypto" / "posture-crypto")
    found = empty()
    found["suites"] = {v: {CODES[n] for n in names} for v, names in e["suites"].items()}
    found["groups"] = {GROUP_CODES[n] for n in e["groups"]}
    keys = [c["certificates"][0]["key"] for c in e["chains"]]
    found["key"] = {(k["type"], k.get("bits")) for k in keys}
    return found


def run_sslscan(port, _):
    out = subprocess.run(["sslscan", "--xml=-", "--no-colour", f"127.0.0.1:{port}"], capture_output=True, text=True).stdout
    found = empty()
    found["groups"] = set()
    root = tree.fromstring(out[out.index("<?xml"):])
    for node in root.iter("protocol"):
        if node.get("enabled") == "1":
            name = "TLSv" + node.get("version") if node.get("type") == "tls" else "SSLv" + node.get("version")
            found["suites"].setdefault(name, set())
    for node in root.iter("cipher"):
        found["suites"].setdefault(node.get("sslversion"), set()).add(int(node.get("id"), 16))
    for node in root.iter("group"):
        found["groups"].add(int(node.get("id"), 16))
    for node in root.iter("pk"):
        if node.get("type") == "RSA" and node.get("bits"):
            found["key"] = (found["key"] or set()) | {("rsa", int(node.get("bits")))}
    return found


AKE = {"TLS_AKE_WITH_AES_128_GCM_SHA256": 0x1301, "TLS_AKE_WITH_AES_256_GCM_SHA384": 0x1302,
       "TLS_AKE_WITH_CHACHA20_POLY1305_SHA256": 0x1303, "TLS_AKE_WITH_AES_128_CCM_SHA256": 0x1304,
       "TLS_AKE_WITH_AES_128_CCM_8_SHA256": 0x1305}


def run_nmap(port, _):
    out = subprocess.run(["nmap", "-Pn", "-n", "-p", str(port), "--script", "+ssl-enum-ciphers,+sslv2", "-oX", "-", "127.0.0.1"],
                         capture_output=True, text=True).stdout
    found = empty()
    for script in tree.fromstring(out).iter("script"):
        if script.get("id") == "ssl-enum-ciphers":
            for table in script.findall("table"):
                suites = found["suites"].setdefault(table.get("key"), set())
                for name in table.findall("table[@key='ciphers']/table/elem[@key='name']"):
                    code = CODES.get(name.text, AKE.get(name.text))
                    if code is None:
                        print(f"      nmap names an unknown suite: {name.text}")
                    else:
                        suites.add(code)
        elif script.get("id") == "sslv2" and "SSLv2 supported" in script.get("output", ""):
            found["suites"].setdefault("SSLv2", set())
    return found


def run_testssl(port, _):
    versions = {"ssl2": "SSLv2", "ssl3": "SSLv3", "tls1": "TLSv1.0", "tls1_1": "TLSv1.1", "tls1_2": "TLSv1.2", "tls1_3": "TLSv1.3"}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.json"
        subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "-E", "--jsonfile", path, f"127.0.0.1:{port}"],
                       capture_output=True, stdin=subprocess.DEVNULL)
        rows = json.loads(path.read_text())
    found = empty()
    for row in rows:
        m = re.fullmatch(r"cipher-(ssl2|ssl3|tls1(?:_\d)?)_x([0-9a-f]+)", row["id"])
        if m:
            found["suites"].setdefault(versions[m[1]], set()).add(int(m[2], 16))
    return found


TOOLS = {"sslscan": run_sslscan, "nmap": run_nmap, "testssl": run_testssl}


def farm(folder, certs):
    """(label, function that starts it)"""
    rsa, ec, both = certs.make("rsa2048"), certs.make("ec-P-256"), [certs.make("rsa2048"), certs.make("ec-P-256")]
    old = "ALL:@SECLEVEL=0"

    def nginx(*args, **kw):
        return lambda: servers.Nginx(folder, *args, **kw)

    return [
        ("nginx, default suites, 1.2 and 1.3", nginx(rsa)),
        ("nginx, P-256, own order", nginx(ec, extra="ssl_prefer_server_ciphers on;")),
        ("nginx, two certificates", nginx(both)),
        ("nginx, 1.3 alone", nginx(ec, protocols="TLSv1.3")),
        ("nginx, 1.0 to 1.2, everything", nginx(certs.make("rsa1024"), protocols="TLSv1 TLSv1.1 TLSv1.2", ciphers=old)),
        ("nginx, 1.0 alone", nginx(rsa, protocols="TLSv1", ciphers=old)),
        ("nginx, two suites, one curve", nginx(rsa, ciphers="ECDHE+AESGCM", extra="ssl_ecdh_curve P-384;")),
        ("openssl, DHE alone", lambda: servers.OpenSsl(rsa, "-tls1_2", "-cipher", "DHE")),
        ("gnutls, Camellia-GCM", lambda: servers.GnuTls(rsa, "NORMAL:-CIPHER-ALL:+CAMELLIA-128-GCM:+CAMELLIA-256-GCM")),
        ("gnutls, legacy", lambda: servers.GnuTls(rsa, "LEGACY")),
        ("tlslite-ng, SSLv3 to 1.2", lambda: servers.TlsLite(rsa, minVersion=(3, 0), maxVersion=(3, 3))),
        ("node, ML-KEM hybrids", lambda: servers.Node(ec, json.dumps({"ecdhCurve": "X25519MLKEM768:SecP256r1MLKEM768:X25519"}))),
    ]


def explain(server, tool, sign, kind, version, name):
    for of_tool, of_kind, of_sign, match, why in EXPLAINED:
        if (of_tool, of_sign) == (tool, sign) and of_kind in (None, kind) and match(server, version, name):
            return why
    return None


def differences(tool, mine, other):
    """(sign, kind, version, name)"""
    for version in sorted(set(mine["suites"]) | set(other["suites"])):
        a, b = mine["suites"].get(version), other["suites"].get(version)
        if a is None or b is None:
            yield "+" if b is None else "-", "version", version, version
            continue
        if version == "SSLv2" and tool == "nmap":
            continue
        for code in sorted(a ^ b):
            yield "+" if code in a else "-", "suite", version, NAMES.get(code, hex(code))
    if other["groups"] is not None:
        for code in sorted(mine["groups"] ^ other["groups"]):
            yield "+" if code in mine["groups"] else "-", "group", "", GROUP_NAMES.get(code, hex(code))
    if other["key"] and not other["key"] <= mine["key"]:
        yield "-", "key", "", str(other["key"] - mine["key"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", default="sslscan,nmap,testssl")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build" / "release")
    parser.add_argument("servers", nargs="*")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="tls-agreement-")
    unexplained = total = 0
    try:
        for label, start in farm(folder, servers.Certificates(folder)):
            if args.servers and not any(word in label for word in args.servers):
                continue
            with start() as server:
                mine = run_posture(server.port, args.build)
                print(f"{label}: " + ", ".join(f"{v} {len(s)}" for v, s in sorted(mine["suites"].items())) +
                      f", {len(mine['groups'])} groups", flush=True)
                for tool in args.tools.split(","):
                    found = list(differences(tool, mine, TOOLS[tool](server.port, args.build)))
                    print(f"  {tool}: " + ("agrees" if not found else f"{len(found)} differences"), flush=True)
                    for sign, kind, version, name in found:
                        why = explain(label, tool, sign, kind, version, name)
                        total, unexplained = total + 1, unexplained + (why is None)
                        print(f"    {'=' if why else '!'} {sign} {kind} {version} {name}" + (f"  ({why})" if why else ""))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{total} differences, {unexplained} without an explanation")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
