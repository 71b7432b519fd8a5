# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Certificates and revocation lists in DER of our own, right or wrong in any field: what certificate libraries refuse to
write is what readers must be shown. Keys and signatures are those of python3-cryptography."""

import base64
import datetime
import hashlib
import random

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa

NOW = datetime.datetime(2026, 11, 23, tzinfo=datetime.timezone.utc)
HOST = "www.example.go.jp"


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def seq(*parts):
    return tlv(0x30, *parts)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\0")


def octets(body):
    return tlv(0x04, body)


def bits(body, unused=0):
    return tlv(0x03, bytes([unused]) + body)


def oid(text):
    first, second, *rest = map(int, text.split("."))
    body = bytes([40 * first + second])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(0x80 | number & 0x7F)
        body += bytes(reversed(digits))
    return tlv(0x06, body)


def null():
    return tlv(0x05)


def name(*pairs):
    """("CN", "text") …; none: the empty name."""
    types = {"CN": "2.5.4.3", "O": "2.5.4.10", "C": "2.5.4.6"}
    return seq(*(tlv(0x31, seq(oid(types[key]), tlv(0x0C, text.encode()))) for key, text in pairs))


def utc_time(when):
    return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(when):
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def time(when):
    return utc_time(when) if when.year < 2050 else generalized_time(when)


def pem(kind, der):
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n"


# Algorithm identifiers, and how a key signs with them.
ALGORITHMS = {
    "ecdsa_sha256": (seq(oid("1.2.840.10045.4.3.2")), hashes.SHA256()),
    "ecdsa_sha384": (seq(oid("1.2.840.10045.4.3.3")), hashes.SHA384()),
    "ecdsa_sha1": (seq(oid("1.2.840.10045.4.1")), hashes.SHA1()),
    "rsa_sha256": (seq(oid("1.2.840.113549.1.1.11"), null()), hashes.SHA256()),
    "rsa_sha1": (seq(oid("1.2.840.113549.1.1.5"), null()), hashes.SHA1()),
    "rsa_md5": (seq(oid("1.2.840.113549.1.1.4"), null()), hashes.MD5()),
    "dsa_sha256": (seq(oid("2.16.840.1.101.3.4.3.2")), hashes.SHA256()),
    "ed25519": (seq(oid("1.3.101.112")), None),
}


def pss(hash_oid="2.16.840.1.101.3.4.2.1", mask_oid="2.16.840.1.101.3.4.2.1", salt=32):
    """RSASSA-PSS with parameters of one's choice (RFC 4055)."""
    return seq(oid("1.2.840.113549.1.1.10"), seq(
        tlv(0xA0, seq(oid(hash_oid), null())),
        tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), seq(oid(mask_oid), null()))),
        tlv(0xA2, integer(salt))))


class Key:
    """A key: spki is what the certificate says, private may sign (None: nobody can)."""

    def __init__(self, spki, private=None, default=None):
        self.spki, self.private, self.default = spki, private, default
        # Of the subjectPublicKey bits (RFC 5280 4.2.1.2, method 1), near enough for bits that we made.
        self.identifier = hashlib.sha1(spki).digest()

    @classmethod
    def of(cls, private, default):
        spki = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return cls(spki, private, default)

    @classmethod
    def ec(cls, curve=ec.SECP256R1):
        return cls.of(ec.generate_private_key(curve()), "ecdsa_sha256")

    @classmethod
    def rsa(cls, size=2048, exponent=65537):
        return cls.of(rsa.generate_private_key(exponent, size), "rsa_sha256")

    @classmethod
    def dsa(cls, size=2048):
        return cls.of(dsa.generate_private_key(size), "dsa_sha256")

    @classmethod
    def ed25519(cls):
        return cls.of(ed25519.Ed25519PrivateKey.generate(), "ed25519")

    @classmethod
    def rsa_numbers(cls, modulus, exponent):
        return cls(seq(seq(oid("1.2.840.113549.1.1.1"), null()), bits(seq(integer(modulus), integer(exponent)))))

    @classmethod
    def ec_spelled_out(cls):
        """P-256 by its parameters (X9.62), which RFC 5480 forbids."""
        p = 2**256 - 2**224 + 2**192 + 2**96 - 1
        b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
        g = bytes.fromhex("046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
                          "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5")
        n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        parameters = seq(integer(1), seq(oid("1.2.840.10045.1.1"), integer(p)),
                         seq(octets((p - 3).to_bytes(32, "big")), octets(b.to_bytes(32, "big"))),
                         octets(g), integer(n), integer(1))
        private = ec.generate_private_key(ec.SECP256R1())
        point = private.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return cls(seq(seq(oid("1.2.840.10045.2.1"), parameters), bits(point)), private, "ecdsa_sha256")

    def sign(self, data, algorithm):
        _, digest = ALGORITHMS.get(algorithm, (None, hashes.SHA256()))
        if isinstance(self.private, rsa.RSAPrivateKey):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if isinstance(algorithm, bytes) else padding.PKCS1v15()
            return self.private.sign(data, scheme, digest)
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            return self.private.sign(data, ec.ECDSA(digest))
        if isinstance(self.private, dsa.DSAPrivateKey):
            return self.private.sign(data, digest)
        return self.private.sign(data)


def identifier(algorithm):
    return algorithm if isinstance(algorithm, bytes) else ALGORITHMS[algorithm][0]


def prime_of_roca(size, rng):
    """A prime of the form that the faulty library made: k * M + 65537^a mod M (CVE-2017-15361)."""
    m = 1
    for p in range(2, 168):
        if all(p % q for q in range(2, int(p**0.5) + 1)):
            m *= p
    while True:
        k = rng.getrandbits(size - m.bit_length() + 1) | 1 << (size - m.bit_length())
        candidate = k * m + pow(65537, rng.getrandbits(64), m)
        if candidate >> (size - 2) == 3 and all(pow(a, candidate - 1, candidate) == 1 for a in (2, 3, 5)):
            return candidate


def roca_key():
    rng = random.Random(20171015)
    return Key.rsa_numbers(prime_of_roca(1024, rng) * prime_of_roca(1024, rng), 65537)


# Extensions: (identifier, critical, value).
def basic_constraints(ca, path_len=None, critical=True):
    inner = (boolean(True) if ca else b"") + (integer(path_len) if path_len is not None else b"")
    return "2.5.29.19", critical, seq(inner)


USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
          "key_cert_sign", "crl_sign")


def key_usage(*words, critical=True):
    value = sum(0x80 >> USAGES.index(word) for word in words)
    return "2.5.29.15", critical, bits(bytes([value]), (value & -value).bit_length() - 1 if value else 7)


PURPOSES = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2", "any": "2.5.29.37.0", "ocsp": "1.3.6.1.5.5.7.3.9"}


def purposes(*words, critical=False):
    return "2.5.29.37", critical, seq(*(oid(PURPOSES[word]) for word in words))


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def ip(body):
    return tlv(0x87, body)


def alt_names(*names, critical=False):
    return "2.5.29.17", critical, seq(*(n if isinstance(n, bytes) else dns(n) for n in names))


def subject_key(key, critical=False):
    return "2.5.29.14", critical, octets(key.identifier)


def authority_key(key=None, extra=b"", critical=False):
    return "2.5.29.35", critical, seq((tlv(0x80, key.identifier) if key else b"") + extra)


def name_constraints(permitted=(), excluded=(), critical=True, raw=None):
    def subtrees(tag, names):
        return tlv(tag, *(seq(n if isinstance(n, bytes) else dns(n)) for n in names)) if names else b""
    return "2.5.29.30", critical, raw if raw is not None else seq(subtrees(0xA0, permitted), subtrees(0xA1, excluded))


def policies(*identifiers, critical=False):
    return "2.5.29.32", critical, seq(*(seq(oid(i)) for i in identifiers))


def policy_constraints(critical=True):
    return "2.5.29.36", critical, seq(tlv(0x80, b"\0"))


def access(ocsp="http://ocsp.example.go.jp/", critical=False, raw=None):
    return "1.3.6.1.5.5.7.1.1", critical, raw or seq(seq(oid("1.3.6.1.5.5.7.48.1"), tlv(0x86, ocsp.encode())))


def crl_points(url="http://crl.example.go.jp/ca.crl"):
    return "2.5.29.31", False, seq(seq(tlv(0xA0, tlv(0xA0, tlv(0x86, url.encode())))))


def must_staple():
    return "1.3.6.1.5.5.7.1.24", False, seq(integer(5))


def timestamps(*logs):
    """Signed certificate timestamps of logs with these one-byte names; nobody has signed them."""
    scts = b""
    for log in logs:
        sct = bytes([0]) + bytes([log]) * 32 + bytes(8) + bytes(2) + b"\x04\x03" + b"\0\x08" + bytes(8)
        scts += len(sct).to_bytes(2, "big") + sct
    return "1.3.6.1.4.1.11129.2.4.2", False, octets(len(scts).to_bytes(2, "big") + scts)


def unknown(critical=True):
    return "1.3.6.1.4.1.99999.1", critical, octets(b"whatever")


def extension(identifier_text, critical, value):
    return seq(oid(identifier_text), boolean(True) if critical else b"", octets(value))


def certificate(*, subject, issuer, key, signer, serial, extensions, version=3, not_before=None, not_after=None,
                algorithm=None, inner=None, encode=time, encode_after=None):
    """Anything at all; algorithm: a word of ALGORITHMS or an identifier in DER; inner: the one inside when it differs."""
    algorithm = algorithm or signer.default
    body = b""
    if version > 1:
        body += tlv(0xA0, integer(version - 1))
    body += integer(serial)
    body += identifier(inner or algorithm)
    body += issuer
    body += seq(encode(not_before or NOW - datetime.timedelta(days=30)),
                (encode_after or encode)(not_after or NOW + datetime.timedelta(days=60)))
    body += subject
    body += key.spki
    if extensions:
        body += tlv(0xA3, seq(*(extension(*e) for e in extensions)))
    tbs = seq(body)
    return seq(tbs, identifier(algorithm), bits(signer.sign(tbs, algorithm)))


def revocation_list(*, issuer, signer, revoked=(), this_update=None, next_update=None, number=1, extensions=(),
                    number_critical=False):
    """revoked: (serial, reason) …"""
    def entry(serial, reason):
        reason_code = extension("2.5.29.21", False, tlv(0x0A, bytes([reason])))
        return seq(integer(serial), utc_time(NOW - datetime.timedelta(days=5)), seq(reason_code))
    body = integer(1) + identifier(signer.default) + issuer
    body += time(this_update or NOW - datetime.timedelta(days=1)) + time(next_update or NOW + datetime.timedelta(days=6))
    if revoked:
        body += seq(*(entry(*r) for r in revoked))
    all_extensions = [authority_key(signer)]
    if number is not None:
        all_extensions.append(("2.5.29.20", number_critical, integer(number)))
    body += tlv(0xA0, seq(*(extension(*e) for e in [*all_extensions, *extensions])))
    tbs = seq(body)
    return seq(tbs, identifier(signer.default), bits(signer.sign(tbs, signer.default)))


class World:
    """A root, an intermediate and a leaf, sound; every part of each can be said otherwise."""

    def __init__(self):
        self.keys = {who: Key.ec() for who in ("root", "ca", "leaf")}
        self.names = {"root": name(("CN", "Example Root")), "ca": name(("CN", "Example CA G2")), "leaf": name(("CN", HOST))}
        self.signers = {"root": "root", "ca": "root", "leaf": "ca"}
        self.serials = {"root": 0x1D63ACF1A2B3C4D5E6F708192A3B4C5D, "ca": 0x2E5F0718293A4B5C6D7E8F90A1B2C3D4,
                        "leaf": 0x3F60718293A4B5C6D7E8F9A0B1C2D3E4}

    def extensions(self, who, key=None, signer=None):
        """By a short name, in order."""
        key, signer = key or self.keys[who], signer or self.keys[self.signers[who]]
        if who == "leaf":
            return {"bc": basic_constraints(False), "ku": key_usage("digital_signature"), "eku": purposes("server"),
                    "san": alt_names(HOST), "ski": subject_key(key), "aki": authority_key(signer)}
        made = {"bc": basic_constraints(True, 0 if who == "ca" else None), "ku": key_usage("key_cert_sign", "crl_sign"),
                "ski": subject_key(key)}
        if who == "ca":
            made["aki"] = authority_key(signer)
        return made

    def make(self, who, change=None, add=(), **fields):
        """change: {short name: an extension, or None to leave it out}; add: further extensions; fields: of certificate()."""
        key = fields.pop("key", self.keys[who])
        signer = fields.pop("signer", key if who == "root" else self.keys[self.signers[who]])
        parts = self.extensions(who, key, signer) | (change or {})
        fields.setdefault("subject", self.names[who])
        fields.setdefault("issuer", self.names[self.signers[who]])
        fields.setdefault("serial", self.serials[who])
        if who != "leaf":
            fields.setdefault("not_before", NOW - datetime.timedelta(days=1000))
            fields.setdefault("not_after", NOW + datetime.timedelta(days=1000))
        fields.setdefault("extensions", [part for part in parts.values() if part] + list(add))
        return certificate(key=key, signer=signer, **fields)
