# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""sslscan, nmap, testssl.sh and sslyze run against a server, their output read into "found" (posture.py).

A view says what a tool shows of a field in its own resolution: what it is called with is our value, what it returns is
what the tool would print had it seen the same."""

import base64
import calendar
import hashlib
import json
import pathlib
import re
import subprocess
import tempfile
import xml.etree.ElementTree as tree

from . import names, venv

VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def empty():
    return {"versions": set(), "suites": {}, "groups": None, "chains": None}


def fingerprint(pem):
    body = re.sub(r"-----(BEGIN|END) CERTIFICATE-----|\s", "", pem)
    return hashlib.sha256(base64.b64decode(body)).hexdigest()


def openssl_date(text):
    """Nov 23 19:23:34 2026 GMT"""
    month, day, clock, year, _ = text.split()
    return f"{year}-{list(calendar.month_abbr).index(month):02}-{int(day):02}T{clock}"


def openssl_key(text):
    """What X509 prints of a key: Public-Key: (256 bit) … ASN1 OID: prime256v1"""
    bits, oid = re.search(r"\((\d+) bit", text), re.search(r"ASN1 OID: (\S+)", text)
    return " ".join(filter(None, [names.curve(oid[1]) if oid else None, bits[1] if bits else None]))


def name_of(server):
    return getattr(server, "name", "localhost")


def xmpp_of(server, option):
    return [option, server.name] if server.scheme == "xmpp" else []


def is_implicit(server):
    return server.scheme in ("tls", "imaps", "pop3s", "ldaps", "smtps")


def starttls_of(server, *form, **other_names):
    """A tool's option for STARTTLS; nothing where TLS comes first."""
    if is_implicit(server):
        return []
    return [word.format(other_names.get(server.scheme, server.scheme)) for word in form]


# sslscan ---------------------------------------------------------------------------------------------------------------

def sslscan_certificate(node):
    text = {child.tag: (child.text or "").strip() for child in node}
    pk = node.find("pk")
    kind = (pk.get("type") or "").lower()
    key = openssl_key(pk.text or "") if kind else ""
    sans = [e.text for e in node.iter("extension") if e.get("name") == "X509v3 Subject Alternative Name"]
    algorithm = re.search(r"Signature Algorithm: (\S+)", text["signature-algorithm"])[1]
    found = {"subject": names.one_line(text["subject"]), "issuer": names.one_line(text["issuer"]),
             "sans": names.openssl_sans(sans[0] if sans else ""), "serial": int(text["serial"].replace(":", ""), 16),
             "not_before": openssl_date(text["not-valid-before"]), "not_after": openssl_date(text["not-valid-after"]),
             "signature": names.SIGNATURES.get(algorithm, algorithm), "sha256": fingerprint(text["certificate-blob"])}
    if key:
        found["key"] = f"{kind} {key}"
    return found


def sslscan(server):
    """A literal address must not stand in server_name (RFC 6066, 3), and sslscan would put it there: --sni-name. Its XML goes
    to a file: with "-" what it prints for people stands in between."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.xml"
        subprocess.run(["sslscan", f"--xml={path}", "--no-colour", "--show-certificate", f"--sni-name={name_of(server)}",
                        *starttls_of(server, "--starttls-{}", postgresql="psql"), f"{server.host}:{server.port}"], capture_output=True)
        root = tree.fromstring(path.read_text())
    found = empty()
    found["groups"], found["chains"] = set(), []
    found["note"] = " ".join(node.text or "" for node in root.iter("error"))
    for node in root.iter("protocol"):
        if node.get("enabled") == "1":
            found["versions"].add(("TLSv" if node.get("type") == "tls" else "SSLv") + node.get("version"))
    for node in root.iter("cipher"):
        found["suites"].setdefault(node.get("sslversion"), set()).add(int(node.get("id"), 16))
    for node in root.iter("group"):
        found["groups"].add(int(node.get("id"), 16))
    for node in root.iter("certificate"):
        if node.get("type") == "full":
            found["chains"].append([sslscan_certificate(node)])
    return found


# nmap ------------------------------------------------------------------------------------------------------------------

# Names of nmap's for TLS 1.3 suites.
AKE = {"TLS_AKE_WITH_AES_128_GCM_SHA256": 0x1301, "TLS_AKE_WITH_AES_256_GCM_SHA384": 0x1302,
       "TLS_AKE_WITH_CHACHA20_POLY1305_SHA256": 0x1303, "TLS_AKE_WITH_AES_128_CCM_SHA256": 0x1304,
       "TLS_AKE_WITH_AES_128_CCM_8_SHA256": 0x1305}


def nmap_name(table):
    """nmap writes bytes above 127 as \\xHH."""
    return names.attributes((e.get("key"), names.unescape(e.text or "")) for e in table.findall("elem")) if table is not None else ()


def nmap_certificate(script):
    def elem(path):
        found = script.find(path)
        return found.text if found is not None else None

    kind, bits = elem("table[@key='pubkey']/elem[@key='type']"), elem("table[@key='pubkey']/elem[@key='bits']")
    curve = elem("table[@key='pubkey']/table/table/elem[@key='curve']")
    sans = ""
    for row in script.findall("table[@key='extensions']/table"):
        if row.findtext("elem[@key='name']") == "X509v3 Subject Alternative Name":
            sans = row.findtext("elem[@key='value']")
    algorithm = elem("elem[@key='sig_algo']")
    found = {"subject": nmap_name(script.find("table[@key='subject']")), "issuer": nmap_name(script.find("table[@key='issuer']")),
             "sans": names.openssl_sans(sans), "not_before": elem("table[@key='validity']/elem[@key='notBefore']"),
             "not_after": elem("table[@key='validity']/elem[@key='notAfter']"),
             "key": " ".join(filter(None, [kind, names.curve(curve) if curve else None, bits])),
             "signature": names.SIGNATURES.get(algorithm, algorithm), "sha256": fingerprint(elem("elem[@key='pem']"))}
    return found


def nmap(server):
    """With STARTTLS it must be told by -sV what speaks there; its scripts take the way from the service's name."""
    detect = [] if is_implicit(server) else ["-sV"]
    out = subprocess.run(["nmap", "-Pn", "-n", *detect, "-p", str(server.port), "--script", "+ssl-enum-ciphers,+sslv2,+ssl-cert",
                          "-oX", "-", server.host], capture_output=True, text=True).stdout
    found = empty()
    found["chains"] = []
    for script in tree.fromstring(out).iter("script"):
        if script.get("id") == "ssl-enum-ciphers":
            for table in script.findall("table"):
                found["versions"].add(table.get("key"))
                suites = found["suites"].setdefault(table.get("key"), set())
                for name in table.findall("table[@key='ciphers']/table/elem[@key='name']"):
                    suites.add(names.SUITE_CODES.get(name.text, AKE.get(name.text, name.text)))
        elif script.get("id") == "sslv2" and "SSLv2 supported" in script.get("output", ""):
            found["versions"].add("SSLv2")
        elif script.get("id") == "ssl-cert":
            found["chains"] = [[nmap_certificate(script)]]
    return found


# testssl.sh ------------------------------------------------------------------------------------------------------------

TESTSSL_VERSIONS = dict(zip(("ssl2", "ssl3", "tls1", "tls1_1", "tls1_2", "tls1_3"), VERSIONS))


def testssl_signature(text):
    for form, ours in ((r"(SHA\d+|MD5) with RSA", "rsa_pkcs1_"), (r"ECDSA with (SHA\d+)", "ecdsa_"),
                       (r"RSASSA-PSS with (SHA\d+)", "rsa_pss_rsae_")):
        if m := re.fullmatch(form, text):
            return ours + m[1].lower()
    return names.SIGNATURES.get(text, text)


def testssl_certificate(rows):
    kind, bits = re.search(r"^(\S+) (\d+) bits", rows["cert_keySize"]).groups()
    sans = rows["cert_subjectAltName"]  # or a sentence: "No SAN, browsers …", "… no SAN is deprecated"
    return {"subject": rows["cert_commonName"], "issuer": rows["cert_caIssuers"].split(" (")[0],
            "sans": frozenset() if " SAN" in sans else frozenset(names.san(s) for s in sans.split()),
            "serial": int(rows["cert_serialNumber"], 16), "not_before": rows["cert_notBefore"], "not_after": rows["cert_notAfter"],
            "key": f"{kind.lower()} {bits}", "signature": testssl_signature(rows["cert_signatureAlgorithm"]),
            "sha256": rows["cert_fingerprintSHA256"].lower()}


def testssl(server):
    """By name with --ip, for the same reason as sslscan; -n none keeps it from asking DNS."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.json"
        subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "-n", "none", f"--ip={server.host}",
                        *starttls_of(server, "-t", "{}", postgresql="postgres"), *xmpp_of(server, "--xmpphost"),
                        "-p", "-E", "-f", "-S", "--jsonfile", path, f"localhost:{server.port}"],
                       capture_output=True, stdin=subprocess.DEVNULL)
        rows = [(row["id"], row["finding"]) for row in json.loads(path.read_text())]
    found = empty()
    certificates, found["groups"] = {}, set()
    for name, finding in rows:
        at = re.fullmatch(r"(\S+) ?(?:<cert#(\d+)>)?", name)
        suite = re.fullmatch(r"cipher-(ssl2|ssl3|tls1(?:_\d)?)_x([0-9a-f]+)", name)
        if suite:
            found["suites"].setdefault(TESTSSL_VERSIONS[suite[1]], set()).add(int(suite[2], 16))
        elif name.lower() in ("sslv2", "sslv3", "tls1", "tls1_1", "tls1_2", "tls1_3") and finding.startswith("offered"):
            found["versions"].add(TESTSSL_VERSIONS[name.lower().replace("sslv", "ssl")])
        elif name == "scanProblem":
            found["note"] = finding
        elif name in ("PFS_ECDHE_curves", "DH_groups"):
            found["groups"] |= {names.GROUP_CODES[names.curve(n)] for n in finding.split() if names.curve(n) in names.GROUP_CODES}
        elif at and at[1].startswith("cert"):
            certificates.setdefault(at[2] or "1", {})[at[1]] = finding
    found["chains"] = [[testssl_certificate(c)] for c in certificates.values() if "cert_fingerprintSHA256" in c]
    return found


# sslyze ----------------------------------------------------------------------------------------------------------------

def sslyze_certificate(c):
    def name(part):
        return names.attributes((a["oid"]["name"], a["value"]) for a in part["attributes"])

    key = c["public_key"]
    kind = re.match(r"_?(RSA|EC|Ed25519|Ed448)", key["algorithm"])
    kind = kind[1].lower() if kind else key["algorithm"]
    algorithm = c["signature_algorithm_oid"]["name"]
    if algorithm == "rsassaPss":
        algorithm = "rsa_pss_rsae_" + c["signature_hash_algorithm"]["name"]
    san = c["subject_alternative_name"]
    return {"subject": name(c["subject"]), "issuer": name(c["issuer"]),
            "sans": frozenset(names.san(s) for s in san["dns_names"] + san["ip_addresses"]), "serial": c["serial_number"],
            "not_before": c["not_valid_before"][:19], "not_after": c["not_valid_after"][:19],
            "key": " ".join(str(p) for p in (kind, key["ec_curve_name"], key["key_size"]) if p),
            "signature": names.SIGNATURES.get(algorithm, algorithm),
            "sha256": base64.b64decode(c["fingerprint_sha256"]).hex()}


def sslyze(server):
    scans = ["sslv2", "sslv3", "tlsv1", "tlsv1_1", "tlsv1_2", "tlsv1_3", "elliptic_curves", "certinfo"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "out.json"
        subprocess.run([venv.program("sslyze"), "--mozilla_config", "disable", "--quiet", "--json_out", path, "--sni", name_of(server),
                        *[f"--{s}" for s in scans], *starttls_of(server, "--starttls", "{}", postgresql="postgres"), *xmpp_of(server, "--xmpp_to"), f"{server.host}:{server.port}"], capture_output=True, text=True)
        (result,) = json.loads(path.read_text())["server_scan_results"]
    found = empty()
    found["chains"], found["tried"], found["tried_groups"] = [], {}, set()
    if result["scan_result"] is None:
        found["note"] = result["connectivity_error_trace"] or result["scan_status"]
        return found
    for name, scan in result["scan_result"].items():
        if scan["status"] != "COMPLETED":
            continue
        at = re.fullmatch(r"(ssl|tls)_(\d)_(\d)_cipher_suites", name)
        if at:
            version = {"ssl": f"SSLv{at[2]}", "tls": f"TLSv{at[2]}.{at[3]}"}[at[1]]
            accepted = {names.SUITE_CODES.get(s["cipher_suite"]["name"], s["cipher_suite"]["name"])
                        for s in scan["result"]["accepted_cipher_suites"]}
            found["tried"][version] = accepted | {names.SUITE_CODES.get(s["cipher_suite"]["name"])
                                                  for s in scan["result"]["rejected_cipher_suites"]}
            if scan["result"]["is_tls_version_supported"]:
                found["versions"].add(version)
                found["suites"][version] = accepted
        elif name == "elliptic_curves":
            found["groups"] = {names.GROUP_CODES[names.curve(c["name"])] for c in scan["result"]["supported_curves"] or []}
            found["tried_groups"] = found["groups"] | {names.GROUP_CODES.get(names.curve(c["name"]))
                                                       for c in scan["result"]["rejected_curves"] or []}
        elif name == "certificate_info":
            for deployment in scan["result"]["certificate_deployments"]:
                found["chains"].append([sslyze_certificate(c) for c in deployment["received_certificate_chain"]])
    return found


# views -----------------------------------------------------------------------------------------------------------------

def minute(value):
    return value.replace("T", " ")[:16]


def without_hash(signature):
    """RSASSA-PSS is one OID; its hash is a parameter."""
    return "rsassaPss" if signature.startswith("rsa_pss") else signature


def kind_and_bits(key):
    return " ".join(w for w in key.split() if w in ("rsa", "ec", "ed25519", "ed448") or w.isdigit())


def without_known_bits(key):
    return key.split()[0] if key.startswith("ed") else key


VIEWS = {
    "sslscan": {"signature": without_hash},
    "nmap": {"signature": without_hash},
    "testssl": {"subject": names.common_name, "issuer": names.common_name, "not_before": minute, "not_after": minute,
                "key": kind_and_bits},
    "sslyze": {"key": without_known_bits},
}

TOOLS = {"sslscan": sslscan, "nmap": nmap, "testssl": testssl, "sslyze": sslyze}

# What a tool does not show, or only in part: (tool, field) → what.
SILENT = {
    ("nmap", "groups"): "none: ssl-enum-ciphers names the one group that came with a suite, not which groups the server takes",
    ("nmap", "serial"): "none: ssl-cert prints no serial number",
    ("sslscan", "key"): "nothing of keys other than RSA, DSA and EC",
    ("sslscan", "signature"): "of RSASSA-PSS the name without its hash",
    ("nmap", "signature"): "of RSASSA-PSS the name without its hash",
    ("testssl", "subject"): "the common name",
    ("testssl", "issuer"): "the common name",
    ("testssl", "not_before"): "to the minute",
    ("testssl", "not_after"): "to the minute",
    ("testssl", "key"): "type and bits without the curve",
    ("sslyze", "key"): "of Ed25519 and Ed448 the type without the bits",
}
