# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The servers that are compared: (label, a function that starts it)."""

import contextlib
import json
import types

import ssh_servers
import starttls_servers
import tls_servers as servers

OLD = "ALL:@SECLEVEL=0"


@contextlib.contextmanager
def at(start, scheme, port="port"):
    """One service of a server. port: the name of its attribute, or a number."""
    with start() as server:
        yield types.SimpleNamespace(scheme=scheme, host="127.0.0.1", port=getattr(server, port) if isinstance(port, str) else port,
                                    name=getattr(server, "NAME", "localhost"))


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


def mail_and_more(folder, certs):
    rsa, ec = certs.make("rsa2048"), certs.make("ec-P-384", name="more-ec")
    old = certs.make("rsa2048", name="more-old", digest="sha1")

    def dovecot(scheme, port, **kw):
        return at(lambda: starttls_servers.Dovecot(rsa, **kw), scheme, port)

    def implicit(scheme):
        port = servers.free_port()
        lines = f"service {scheme[:4]}-login {{\n  inet_listener {scheme} {{\n    port = {port}\n    ssl = yes\n  }}\n}}\nssl_min_protocol = TLSv1.2\n"
        return dovecot(scheme, port, lines=lines)

    return [
        ("apache, defaults", lambda: servers.Apache(folder, rsa)),
        ("apache, own order, no static RSA", lambda: servers.Apache(
            folder, ec, ["SSLProtocol all -TLSv1 -TLSv1.1", "SSLHonorCipherOrder on", "SSLCipherSuite ECDHE+AESGCM:ECDHE+CHACHA20"])),
        ("apache, 1.0 to 1.3, everything", lambda: servers.Apache(folder, old, ["SSLProtocol all", f"SSLCipherSuite {OLD}"])),
        ("openssl, anonymous and NULL too", lambda: servers.OpenSsl(rsa, "-no_tls1_3", "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")),
        ("openssl, 1.3, CCM alone", lambda: servers.OpenSsl(ec, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256")),
        ("openssl, P-521 alone, PSS alone", lambda: servers.OpenSsl(rsa, "-groups", "P-521", "-sigalgs", "RSA-PSS+SHA512")),
        ("gnutls, PFS, 1.2 alone", lambda: servers.GnuTls(ec, "PFS:-VERS-ALL:+VERS-TLS1.2")),
        ("gnutls, SECURE256", lambda: servers.GnuTls(rsa, "SECURE256")),
        ("tlslite-ng, defaults", lambda: servers.TlsLite(ec)),
        ("node, defaults", lambda: servers.Node(rsa, "{}")),
        ("postfix, smtp", lambda: at(lambda: starttls_servers.Postfix(rsa), "smtp")),
        ("postfix, smtp, old", lambda: at(lambda: starttls_servers.Postfix(
            old, smtpd_tls_protocols=">=TLSv1", smtpd_tls_ciphers="low", tls_low_cipherlist=OLD), "smtp")),
        ("dovecot, imap", lambda: dovecot("imap", "imap_port")),
        ("dovecot, pop3, own order, DHE without parameters", lambda: dovecot("pop3", "pop3_port", lines="ssl_prefer_server_ciphers = yes\nssl_dh =\n")),
        ("dovecot, imaps", lambda: implicit("imaps")),
        ("dovecot, pop3s", lambda: implicit("pop3s")),
        ("slapd, ldap", lambda: at(lambda: starttls_servers.OpenLdap(rsa), "ldap")),
        ("slapd, ldaps, 1.2 alone", lambda: at(
            lambda: starttls_servers.OpenLdap(ec, "TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.2\n"), "ldaps", "ldaps_port")),
        ("postgresql", lambda: at(lambda: starttls_servers.PostgreSql(rsa), "postgresql")),
        ("postgresql, 1.3 alone", lambda: at(lambda: starttls_servers.PostgreSql(ec, ssl_min_protocol_version="'TLSv1.3'"), "postgresql")),
        ("vsftpd", lambda: at(lambda: starttls_servers.Vsftpd(rsa), "ftp")),
        ("prosody", lambda: at(lambda: starttls_servers.Prosody(certs.make(names=(starttls_servers.Prosody.NAME,))), "xmpp")),
    ]


def tls(folder):
    certs = servers.Certificates(folder)
    return twelve(folder, certs) + mail_and_more(folder, certs)


def ssh(folder):
    keys = ssh_servers.Keys(f"{folder}/keys")
    # All of Debian's have strict key exchange: nothing here is exposed to Terrapin.
    cbc = "Ciphers +aes128-cbc,aes256-cbc,3des-cbc"

    def sshd(*lines, kinds=("rsa-3072", "ecdsa-256", "ed25519")):
        return lambda: ssh_servers.OpenSsh(folder, [keys.make(kind) for kind in kinds], *lines)

    return [
        ("openssh, defaults", sshd()),
        ("openssh, everything it can", sshd(
            "KexAlgorithms +diffie-hellman-group1-sha1,diffie-hellman-group14-sha1,diffie-hellman-group-exchange-sha1", cbc,
            "MACs +hmac-md5,hmac-md5-etm@openssh.com,hmac-sha1-96", "HostKeyAlgorithms +ssh-rsa,ssh-dss",
            kinds=("rsa-2048", "ecdsa-384", "ed25519", "dsa"))),
        ("openssh, modern alone", sshd(
            "KexAlgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256", "Ciphers aes256-gcm@openssh.com",
            "MACs hmac-sha2-512-etm@openssh.com", "Compression no", kinds=("ed25519",))),
        ("openssh, group exchange alone", sshd("KexAlgorithms diffie-hellman-group-exchange-sha256", kinds=("rsa-4096",))),
        ("openssh, P-521 alone", sshd("KexAlgorithms ecdh-sha2-nistp521", "Ciphers aes256-ctr", "MACs hmac-sha2-512", kinds=("ecdsa-521",))),
        ("dropbear, defaults", lambda: ssh_servers.Dropbear(folder, "rsa-2048", "ecdsa-256", "ed25519")),
        ("dropbear, RSA alone", lambda: ssh_servers.Dropbear(folder, "rsa-4096")),
    ]
