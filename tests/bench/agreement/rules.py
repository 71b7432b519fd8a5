# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Why a tool and we differ. A rule applies to a difference when tool, field and sign are its own and its predicate says so;
predicates ask what can be known (the tool's own list of suites, what the server was told), not which server it is where that
can be avoided. What no rule explains makes the comparison fail.

A predicate takes (difference, case): case.label, case.traits (words about the server), case.ours, case.theirs."""

import dataclasses
import functools
import pathlib
import re
import shutil
import subprocess
import typing

from . import names


@dataclasses.dataclass(eq=False)
class Rule:
    tool: str
    field: str
    sign: str
    match: typing.Callable
    why: str
    used: int = 0


@functools.cache
def openssl_suites():
    """What Debian's libssl, and so sslscan, can offer at all."""
    out = subprocess.run(["openssl", "ciphers", "-V", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"], capture_output=True, text=True, check=True)
    return {int(a + b, 16) for a, b in re.findall(r"0x([0-9A-F]{2}),0x([0-9A-F]{2}) -", out.stdout)}


@functools.cache
def testssl_suites():
    text = pathlib.Path("/etc/testssl/cipher-mapping.txt").read_text()
    return {int(a + b, 16) for a, b in re.findall(r"^\s*0x([0-9A-F]{2}),0x([0-9A-F]{2}) - ", text, re.M)}


@functools.cache
def testssl_forward_secrecy():
    """The list of names in the script from which it looks for groups."""
    mapping = dict((name, int(a + b, 16)) for a, b, name in re.findall(
        r"^\s*0x([0-9A-F]{2}),0x([0-9A-F]{2}) - (\S+)", pathlib.Path("/etc/testssl/cipher-mapping.txt").read_text(), re.M))
    script = pathlib.Path(shutil.which("testssl")).resolve().read_text()
    listed = re.search(r'local pfs_cipher_list="([^"]+)"', script)[1].split(":")
    return {mapping[name] for name in listed if name in mapping} | set(range(0x1301, 0x1306))


def without_openssl_suites(case):
    """Nothing for sslscan to connect with in TLS 1.2 and before, and no TLS 1.3."""
    return not any(suites & openssl_suites() for suites in case.ours["suites"].values())


def rsa_leaf(case):
    return any(chain[0]["key"].startswith("rsa") for chain in case.ours["chains"])


# RFC 8422's curves and RFC 7919's primes: what both scripts iterate over.
OLD_GROUPS = set(range(0x0001, 0x001F)) | set(range(0x0100, 0x0105))

OPENSSL_1_0_2 = set(range(0x0001, 0x001D))

TLS, SSH = [], []


def rule(tool, field, sign, why, rules=TLS):
    def add(match):
        for t in tool.split(","):
            for f in field.split(","):
                rules.append(Rule(t, f, sign, match, why))
        return match
    return add


@rule("sslscan", "suites", "+", "sslscan sees SSLv3 by a hello of its own, but enumerates with libssl, which Debian builds without SSLv3")
def _(d, case):
    return d.version == "SSLv3" and not case.theirs["suites"].get("SSLv3")


@rule("sslscan", "suites", "+", "not among the suites of the libssl that sslscan is linked with (openssl ciphers ALL:COMPLEMENTOFALL)")
def _(d, case):
    return d.item not in openssl_suites()


@rule("testssl", "suites", "+", "not in testssl.sh's cipher-mapping.txt, from which it takes what to try")
def _(d, case):
    return d.item not in testssl_suites()


@rule("sslyze", "suites", "+", "not among the suites that sslyze tried (its report lists them: accepted and rejected)")
def _(d, case):
    return d.item not in case.theirs["tried"].get(d.version, set())


@rule("sslscan,testssl", "groups", "+", "the tool's list of groups ends with RFC 8422's curves and RFC 7919's primes")
def _(d, case):
    return d.item not in OLD_GROUPS


@rule("sslyze", "groups", "+", "sslyze tries the curves of ECDH only, by name (its report lists them: supported and rejected)")
def _(d, case):
    return d.item not in case.theirs["tried_groups"]


@rule("sslyze", "suites", "+", "sslyze tries this suite with OpenSSL 1.0.2, which has no X25519, and the server has no other curve for it")
def _(d, case):
    return d.version == "TLSv1.2" and not case.ours["groups"] & OPENSSL_1_0_2


@rule("sslyze", "versions", "+", "no suite of the server's is among those that sslyze tried")
def _(d, case):
    return not case.ours["suites"][d.item] & case.theirs["tried"].get(d.item, set()) or bool(case.theirs.get("note"))


@rule("sslscan", "versions", "+", "sslscan's hello for this version offers the curves of RFC 8422 without x25519 and x448, and the server "
      "has no other for its certificate (an EC key: there is no exchange without a curve)")
def _(d, case):
    curves = case.ours["groups"] & set(range(0x17, 0x1d))
    return d.item != "TLSv1.3" and not curves and not rsa_leaf(case)


@rule("sslscan", "groups", "+", "the server has no suite that sslscan could ask for groups with (see suites)")
def _(d, case):
    return without_openssl_suites(case)


@rule("sslscan", "groups", "+", "sslscan asks for the primes of RFC 7919 in TLS 1.3 only, which the server does not speak")
def _(d, case):
    return 0x0100 <= d.item <= 0x0104 and "TLSv1.3" not in case.ours["versions"]


@rule("sslscan,nmap", "certificates", "+", "the tool connects with libssl, which has none of the server's suites")
def _(d, case):
    return without_openssl_suites(case) and not case.theirs["chains"]


@rule("sslyze", "certificates", "+", "the server has no suite that sslyze could complete a handshake with (see versions)")
def _(d, case):
    return not case.theirs["versions"] and not case.theirs["chains"]


@rule("sslscan,nmap,testssl", "certificates", "+", "the tool shows the leaf, not what the server sends above it")
def _(d, case):
    return d.item == "above" and (bool(case.theirs["chains"]) or without_openssl_suites(case))


@rule("sslscan,nmap", "certificates", "+", "the server has two certificates; the tool shows the one that its own handshake got")
def _(d, case):
    return d.item == "leaf" and len(case.ours["chains"]) > 1 and len(case.theirs["chains"]) == 1


@rule("nmap", "key", "~", "ssl-cert knows no Ed25519 (\"unknown\"); the bits agree")
def _(d, case):
    return d.item[0].startswith("ed") and d.item[1] == "unknown " + d.item[0].split()[1]


@rule("testssl", "groups", "+", "none of the server's suites is in the script's list (pfs_cipher_list) from which it looks for groups")
def _(d, case):
    return not any(suites & testssl_forward_secrecy() for suites in case.ours["suites"].values())


@rule("testssl", "certificates", "+", "testssl.sh says so itself: its openssl client gets no certificate from this server (\"Client problem\")")
def _(d, case):
    return case.theirs.get("note", "").startswith("Client problem")


def is_pss_alone(case, version):
    made = case.ours["signatures"].get(version, [])
    return bool(made) and all(name.startswith("rsa_pss") for name in made)


def is_dhe(code):
    return isinstance(code, int) and names.SUITE_NAMES.get(code, "").startswith("TLS_DHE_")


@rule("nmap", "versions", "+", "the signatures that nmap 7.93 offers in TLS 1.3 lack ecdsa_secp384r1_sha384, the only one that a P-384 key makes")
def _(d, case):
    leaves = [chain[0]["key"] for chain in case.ours["chains"]]
    return d.item == "TLSv1.3" and bool(leaves) and all("secp384r1" in key for key in leaves)


@rule("nmap", "versions", "+", "the signatures that nmap 7.93 offers in TLS 1.2 hold no RSASSA-PSS, and the server makes no other")
def _(d, case):
    return d.item == "TLSv1.2" and is_pss_alone(case, "TLSv1.2")


@rule("sslyze", "suites", "+", "sslyze tries this suite with OpenSSL 1.0.2, which offers no RSASSA-PSS, and the server makes no other signature")
def _(d, case):
    return is_pss_alone(case, d.version)


@rule("nmap", "suites", "+", "of the primes of RFC 7919 nmap offers ffdhe2048 alone, and the server takes larger ones only")
def _(d, case):
    return is_dhe(d.item) and 0x0100 not in case.ours["groups"] and bool(case.ours["groups"] & set(range(0x0101, 0x0105)))


@rule("sslyze", "suites", "+", "the server has DHE for those that offer a prime of RFC 7919; sslyze's OpenSSL 1.0.2 and 1.1.1 offer none")
def _(d, case):
    return is_dhe(d.item) and bool(case.ours["groups"] & set(range(0x0100, 0x0105)))


@rule("sslscan,sslyze,testssl", "groups", "+", "the tool offers one curve at a time (testssl.sh: what it has not found yet), and before TLS 1.3 the server has no ECDSA without its certificate's own curve "
      "(RFC 8422, 5.1); we leave that curve in")
def _(d, case):
    return ("TLSv1.3" not in case.ours["versions"] or d.item in range(0x1A, 0x1D)) and not rsa_leaf(case)


@rule("sslscan,nmap,testssl,sslyze", "suites,groups", "-", "we say ourselves that the list is incomplete")
def _(d, case):
    return any(word in case.ours["incomplete"] for word in (d.field, f"{d.field}.{d.version}"))


@rule("sslscan", "versions,groups,certificates", "+", "sslscan's StartTLS fails at this server: it says so itself (\"STARTLS LDAP connection … failed\")")
def _(d, case):
    return case.server.scheme == "ldap" and not case.theirs["versions"] and "STARTLS" in case.theirs.get("note", "")


@rule("sslscan", "suites", "+", "the server chooses DHE, for which it has no parameters, and closes: sslscan takes that for the end of the list")
def _(d, case):
    return "DHE without parameters" in case.label


@rule("sslscan,nmap", "versions,groups,certificates", "+", "XMPP begins with the name of a domain; the tool can be told none, sends the address, and "
      "the server has no such host")
def _(d, case):
    return case.server.scheme == "xmpp" and not case.theirs["versions"]


# What nselib/ssh2.lua of nmap 7.93 offers.
NMAP_KEX = {"diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group14-sha256",
            "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group-exchange-sha256"}
NMAP_CIPHERS = {"aes128-cbc", "3des-cbc", "blowfish-cbc", "aes192-cbc", "aes256-cbc", "aes128-ctr", "aes192-ctr", "aes256-ctr"}
NMAP_MACS = {"hmac-md5", "hmac-sha1", "hmac-ripemd160"}


@rule("ssh-audit", "gex", "~", "OpenSSH gives 2048 bits to clients that ask for no more; ssh-audit says so in a note and reports what newer ones get", SSH)
def _(d, case):
    return case.theirs["fallback"] and d.item[0] == 2048 < d.item[1]


@rule("nmap", "keys", "+", "nmap asks for RSA keys by the name ssh-rsa alone, which the server does not offer (rsa-sha2-256, rsa-sha2-512)", SSH)
def _(d, case):
    return case.ours["keys"][d.item][0] == "rsa" and "ssh-rsa" not in case.ours["host_key_algorithms"]


@rule("nmap", "keys", "+", "nmap's SSH client shares no key exchange, cipher or MAC with the server", SSH)
def _(d, case):
    pairs = ((NMAP_KEX, "kex"), (NMAP_CIPHERS, "ciphers"), (NMAP_MACS, "macs"))
    return any(not known & set(case.ours[name]) for known, name in pairs)


@rule("nmap", "keys", "+", "seen, not understood: ssh-hostkey ends its connections to Dropbear after the banners (ssh-audit agrees with us)", SSH)
def _(d, case):
    return case.label.startswith("dropbear") and not case.theirs["keys"]


def explain(rules, tool, difference, case):
    for r in rules:
        if (r.tool, r.field, r.sign) == (tool, difference.field, difference.sign) and r.match(difference, case):
            r.used += 1
            return r
    return None
