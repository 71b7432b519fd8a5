# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Our facts of a TLS endpoint in the terms of the comparison.

"found" is a dictionary: "versions" a set; "suites" {version: set of codes}; "groups" a set of codes or None when the tool
says nothing about groups; "chains" a list of lists of certificates or None. A certificate is a dictionary of CERTIFICATE's
fields and "sha256", by which it is recognised; a field that a tool does not show is absent."""

import crypto_worker

from . import names

CERTIFICATE = ("subject", "issuer", "sans", "serial", "not_before", "not_after", "key", "signature")


def key_text(key):
    return " ".join(str(key[k]) for k in ("type", "curve", "bits") if k in key)


def certificate(c):
    return {"subject": names.rfc2253(c["subject"]), "issuer": names.rfc2253(c["issuer"]),
            "sans": frozenset(names.san(s) for s in c["sans"]["dns"] + c["sans"]["ip"]), "serial": int(c["serial"], 16),
            "not_before": c["not_before"][:19], "not_after": c["not_after"][:19], "key": key_text(c["key"]),
            "signature": c["signature"]["algorithm"], "sha256": c["sha256"]}


def run(server, build):
    uri = f"{server.scheme}://{server.host}:{server.port}"
    if getattr(server, "name", "localhost") != "localhost":
        uri = (uri, {"ServerName": server.name})
    _, e = crypto_worker.facts(uri, program=build / "plugins" / "posture_crypto" / "posture-crypto")
    if not e.get("versions"):
        raise RuntimeError(f"posture-crypto: {e}")
    return {"versions": set(e["versions"]),
            "suites": {v: {int(n, 16) if n.startswith("0x") else names.SUITE_CODES[n] for n in suites}
                       for v, suites in e["suites"].items()},
            "groups": {int(n, 16) if n.startswith("0x") else names.GROUP_CODES[n] for n in e["groups"]},
            "chains": [[certificate(c) for c in chain["certificates"]] for chain in e["chains"]],
            "signatures": e.get("signature_algorithms", {}), "incomplete": e.get("incomplete", [])}
