# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The servers that are compared: (label, a function that starts it)."""

import json

import tls_servers as servers

OLD = "ALL:@SECLEVEL=0"


def twelve(folder, certs):
    """Certificates differ too: a chain of three with a Japanese organisation, RSA-PSS, SHA-1, Ed25519, a serial number whose
    first bit is set, an end beyond 2050 (GeneralizedTime), 40 names, none, a wildcard."""
    root = certs.make_ca("rsa2048", name="root", subject="/C=JP/O=総務省/CN=Agreement Root")
    middle = certs.make_ca("ec-P-384", name="middle", ca=root, subject="/C=JP/O=総務省/OU=認証局/CN=Agreement Issuing CA")
    rsa = certs.make("rsa2048", ca=middle, name="rsa", subject="/C=JP/ST=東京都/O=Posture, Inc. \\/ Test/CN=localhost")
    ec = certs.make("ec-P-256", name="ec", names=("localhost", "*.example.jp"))
    old = certs.make("rsa1024", name="old", digest="sha1", san=False, serial="0xF00000000000000000000000000000000000000F")
    pss = certs.make("rsa3072", name="pss", ca=root, pss=True)
    ed = certs.make("ed25519", name="ed", ca=root, days=12000)
    many = certs.make("ec-P-521", name="many", names=tuple(f"www{i}.example.jp" for i in range(40)), ips=("2001:db8::1", "127.0.0.1"))

    def nginx(*args, **kw):
        return lambda: servers.Nginx(folder, *args, **kw)

    return [
        ("nginx, default suites, 1.2 and 1.3", nginx(rsa)),
        ("nginx, P-256, own order", nginx(ec, extra="ssl_prefer_server_ciphers on;")),
        ("nginx, two certificates", nginx([rsa, ec])),
        ("nginx, 1.3 alone, Ed25519", nginx(ed, protocols="TLSv1.3")),
        ("nginx, 1.0 to 1.2, everything", nginx(old, protocols="TLSv1 TLSv1.1 TLSv1.2", ciphers=OLD)),
        ("nginx, 1.0 alone", nginx(old, protocols="TLSv1", ciphers=OLD)),
        ("nginx, two suites, one curve", nginx(pss, ciphers="ECDHE+AESGCM", extra="ssl_ecdh_curve P-384;")),
        ("openssl, DHE alone", lambda: servers.OpenSsl(rsa, "-tls1_2", "-cipher", "DHE")),
        ("gnutls, Camellia-GCM", lambda: servers.GnuTls(rsa, "NORMAL:-CIPHER-ALL:+CAMELLIA-128-GCM:+CAMELLIA-256-GCM")),
        ("gnutls, legacy", lambda: servers.GnuTls(rsa, "LEGACY", "--x509certfile", many[0], "--x509keyfile", many[1])),
        ("tlslite-ng, SSLv3 to 1.2", lambda: servers.TlsLite(rsa, minVersion=(3, 0), maxVersion=(3, 3))),
        ("node, ML-KEM hybrids", lambda: servers.Node(ec, json.dumps({"ecdhCurve": "X25519MLKEM768:SecP256r1MLKEM768:X25519"}))),
    ]
