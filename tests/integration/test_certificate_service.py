# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Certificates as a real server serves them, through the worker: revocation by a file, names without end."""

import datetime
import json
import os
import pathlib
import sys

import jsonschema
from cryptography.hazmat.primitives import serialization

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import certificates  # noqa: E402
import crypto_worker  # noqa: E402
import tls_servers as servers  # noqa: E402

SCHEMA = jsonschema.Draft202012Validator(json.loads((SOURCE / "schemas" / "facts" / "tls.schema.json").read_text()))


def crl_world(tmp_path):
    """A chain that nginx serves, its root, and a writer of its CA's revocation lists."""
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    world = certificates.World()
    span = {"not_before": now - datetime.timedelta(days=10), "not_after": now + datetime.timedelta(days=30)}
    chain, key, root, crl = (tmp_path / n for n in ("chain.pem", "key.pem", "root.pem", "crl.pem"))
    chain.write_text("".join(certificates.pem("CERTIFICATE", world.make(who, **span)) for who in ("leaf", "ca")))
    root.write_text(certificates.pem("CERTIFICATE", world.make("root", **span)))
    key.write_bytes(world.keys["leaf"].private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def write(**fields):
        fields = {"this_update": now - datetime.timedelta(hours=1), "next_update": now + datetime.timedelta(hours=1)} | fields
        der = certificates.revocation_list(issuer=world.names["ca"], signer=world.keys["ca"], **fields)
        fresh = tmp_path / "crl.new"
        fresh.write_text(certificates.pem("X509 CRL", der))
        fresh.rename(crl)
    return world, (str(chain), str(key)), str(root), str(crl), write, now


def test_crl_file(tmp_path):
    world, pair, root, crl, write, now = crl_world(tmp_path)
    rows = [
        ({}, "good", "pass"),
        ({"revoked": [(world.serials["leaf"], 1)]}, "revoked", "fail"),
        ({"next_update": now - datetime.timedelta(seconds=1)}, "unknown", "unknown"),
    ]
    with servers.Nginx(tmp_path, pair) as server:
        for fields, status, want in rows:
            write(**fields)
            target = (server.uri, {"ServerName": certificates.HOST, "TrustStore": root, "CrlFile": crl})
            (report,) = crypto_worker.probe([target])
            SCHEMA.validate(report["facts"]["tls"])
            verification = report["facts"]["tls"]["endpoints"][0]["chains"][0]["verification"]
            assert verification["chain"] == "ok" and verification["matched"] == certificates.HOST
            assert verification["crl"]["certificates"][0]["status"] == status
            results = {r["check"]: r for r in report["results"]}
            assert results["tls.cert.revocation"]["result"] == want
            for check in ("name", "chain", "usage", "form", "serial", "wildcard", "validity", "signature", "key"):
                assert results[f"tls.cert.{check}"]["result"] == "pass", results[f"tls.cert.{check}"]


def test_crl_file_is_read_again(tmp_path):
    """A worker that runs on, in its sandbox, sees the list that took the old one's place."""
    world, pair, root, crl, write, _ = crl_world(tmp_path)
    write()
    with servers.Nginx(tmp_path, pair) as server:
        target = (server.uri, {"ServerName": certificates.HOST, "TrustStore": root, "CrlFile": crl, "Interval": 1})
        worker = crypto_worker.Worker([target], once=False, Values="all")
        seen = []
        try:
            for line in worker.lines():
                if line[0] != "values" or "tls.cert.revocation" not in line:
                    continue
                seen.append(line)
                if len(seen) == 1:
                    write(revoked=[(world.serials["leaf"], 1)])
                if "tls.cert.revocation.revoked" in "\t".join(line) or len(seen) > 20:
                    break
        finally:
            worker.stop()
    assert "tls.cert.revocation.good" in "\t".join(seen[0]), seen[0]
    assert "tls.cert.revocation.revoked" in "\t".join(seen[-1]), seen
