# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""What we, ssh-audit and nmap find of an SSH server.

"found": "kex", "host_key_algorithms", "ciphers", "macs", "compression" are lists in the server's order (what it offers from
server to client where the directions differ); "keys" {SHA-256 of the public key as ssh-keygen writes it: (type, bits)};
"gex" the smallest modulus of the group exchange that was given, None without one; "terrapin" whether a connection without
strict key exchange would be exposed. A field that a tool does not show is absent."""

import base64
import hashlib
import json
import re
import subprocess
import xml.etree.ElementTree as tree

import crypto_worker

from . import compare, venv

LISTS = ("kex", "host_key_algorithms", "ciphers", "macs", "compression")
FIELDS = (*LISTS, "keys", "gex", "terrapin")
# Words in the list of key exchanges that name none: RFC 8308, OpenSSH's strict key exchange, Dropbear's guess.
MARKERS = ("ext-info-s", "kex-strict-s-v00@openssh.com", "kexguess2@matt.ucc.asn.au")


def posture(server, build):
    (report,) = crypto_worker.probe([server.uri], program=build / "plugins" / "posture_crypto" / "posture-crypto")
    e = report["facts"]["ssh"]["endpoints"][0]
    if not e["reachable"] or "error" in e:
        raise RuntimeError(f"posture-crypto: {e}")
    verdict = {r["check"]: r["result"] for r in report["results"]}
    found = {name: e[name]["server_to_client"] if isinstance(e[name], dict) else e[name] for name in LISTS}
    return {**found, "keys": {k["sha256"].removeprefix("SHA256:"): (k["key"]["type"], k["key"]["bits"]) for k in e["host_keys"]},
            "gex": e.get("dh_gex", {}).get("smallest"), "terrapin": verdict.get("ssh.terrapin") not in ("pass", "na"),
            "gex_requests": e.get("dh_gex", {}).get("requests", []), "incomplete": e.get("incomplete", [])}


def ssh_audit(server):
    out = subprocess.run([venv.program("ssh-audit"), "-j", "--skip-rate-test", "-p", str(server.port), "127.0.0.1"],
                         capture_output=True, text=True).stdout
    data = json.loads(out)
    sizes = {k["algorithm"]: k for k in data["key"]}
    keys = {}
    for f in data["fingerprints"]:
        if f["hash_alg"] == "SHA256":
            size = next((sizes[a].get("keysize") for a in (f["hostkey"], "rsa-sha2-512", "rsa-sha2-256")
                         if a in sizes and (a == f["hostkey"] or f["hostkey"] == "ssh-rsa")), None)
            keys[f["hash"]] = (key_type(f["hostkey"]), size)
    gex = [k["keysize"] for k in data["kex"] if k.get("keysize") and "group-exchange" in k["algorithm"]]
    notes = json.dumps([data["enc"], data["mac"]])
    return {"kex": [k["algorithm"] for k in data["kex"]], "host_key_algorithms": [k["algorithm"] for k in data["key"]],
            "ciphers": [k["algorithm"] for k in data["enc"]], "macs": [k["algorithm"] for k in data["mac"]],
            "compression": data["compression"], "keys": keys, "gex": min(gex) if gex else None,
            "terrapin": "vulnerable to the Terrapin attack" in notes,
            "fallback": "GEX fallback mechanism was triggered" in out}


def nmap(server):
    out = subprocess.run(["nmap", "-Pn", "-n", "-p", str(server.port), "--script", "+ssh2-enum-algos,+ssh-hostkey", "--script-args",
                          "ssh_hostkey=full", "-oX", "-", "127.0.0.1"], capture_output=True, text=True).stdout
    found = {"keys": {}}
    tables = {"kex_algorithms": "kex", "server_host_key_algorithms": "host_key_algorithms", "encryption_algorithms": "ciphers",
              "mac_algorithms": "macs", "compression_algorithms": "compression"}
    for script in tree.fromstring(out).iter("script"):
        for table in script.findall("table"):
            if script.get("id") == "ssh2-enum-algos":
                name = tables.get(re.sub(r"_server_to_client$", "", table.get("key")))
                if name:
                    found[name] = [e.text for e in table.findall("elem")]
            elif table.findtext("elem[@key='key']"):
                blob = base64.b64decode(table.findtext("elem[@key='key']"))
                sha = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
                found["keys"][sha] = (key_type(table.findtext("elem[@key='type']")), int(float(table.findtext("elem[@key='bits']"))))
    return found


def key_type(name):
    if name.startswith("ecdsa"):
        return "ec"
    return {"ssh-rsa": "rsa", "ssh-dss": "dsa", "ssh-ed25519": "ed25519", "ssh-ed448": "ed448"}.get(name, name)


TOOLS = {"ssh-audit": ssh_audit, "nmap": nmap}

SILENT = {
    ("ssh-audit", "keys"): "of EC, Ed25519 and DSA keys the type without the bits",
    ("ssh-audit", "gex"): "the smallest modulus over requests of its own",
    ("nmap", "gex"): "none: nmap asks for no group exchange",
    ("nmap", "terrapin"): "none: no judgement",
}


def compare_found(ours, theirs):
    """{field: compare.Cell}"""
    cells = {field: compare.Cell() for field in FIELDS}
    for field in LISTS:
        if field in theirs:
            cells[field].sets(field, set(ours[field]), set(theirs[field]))
            shared = [a for a in ours[field] if a in theirs[field]]
            if shared != [a for a in theirs[field] if a in ours[field]]:
                cells[field].differences.append(compare.Difference(field, "~", "order", "another order"))
    cells["keys"].sets("keys", set(ours["keys"]), set(theirs["keys"]), lambda sha: str(ours["keys"].get(sha) or theirs["keys"][sha]))
    for sha in set(ours["keys"]) & set(theirs["keys"]):
        (kind, bits), (other_kind, other_bits) = ours["keys"][sha], theirs["keys"][sha]
        if kind != other_kind or other_bits not in (None, bits):
            cells["keys"].differences.append(compare.Difference(
                "keys", "~", (ours["keys"][sha], theirs["keys"][sha]), f"ours {kind} {bits}, theirs {other_kind} {other_bits}"))
    for field in ("gex", "terrapin"):
        if field in theirs:
            cells[field].agreed = int(ours[field] == theirs[field])
            if ours[field] != theirs[field]:
                cells[field].differences.append(compare.Difference(
                    field, "~", (ours[field], theirs[field]), f"ours {ours[field]}, theirs {theirs[field]}"))
    return cells
