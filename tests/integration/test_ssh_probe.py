# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Kind ssh at real servers (OpenSSH, Dropbear) and at hostile ones: what is found is what they have, and every probe ends."""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import time

import jsonschema
import pytest

SOURCE = pathlib.Path(os.environ["POSTURE_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests" / "support"))

import crypto_worker  # noqa: E402
import ssh_servers as servers  # noqa: E402

SCHEMA = json.loads((SOURCE / "schemas/facts/ssh.schema.json").read_text("utf-8"))
NAMES = {row["name"] for row in json.loads((SOURCE / "schemas/ssh/algorithms.json").read_text("utf-8"))["algorithms"]}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return servers.Keys(tmp_path_factory.mktemp("keys"))


def measure(uri, **options):
    (report,) = crypto_worker.probe([uri], **options)
    facts = report["facts"]["ssh"]
    jsonschema.Draft202012Validator(SCHEMA).validate(facts)
    (endpoint,) = facts["endpoints"]
    return endpoint, {r["check"]: r for r in report["results"]}


def words(results):
    return {check.removeprefix("ssh."): r["result"] for check, r in results.items()}


def effective(server, *names):
    """What sshd -T says of its own lists."""
    out = subprocess.run([servers.SSHD, "-T", "-f", server.command[3]], check=True, capture_output=True, text=True).stdout
    lines = dict(line.split(" ", 1) for line in out.splitlines() if " " in line)
    return [lines[name].split(",") for name in names]


def test_openssh_default(keys, tmp_path):
    kinds = ["rsa-3072", "ecdsa-256", "ed25519"]
    with servers.OpenSsh(tmp_path, [keys.make(kind) for kind in kinds]) as server:
        e, results = measure(server.uri)
        kex, ciphers, macs = effective(server, "kexalgorithms", "ciphers", "macs")
        log = server.log.read_text()
    assert e["software"].startswith("OpenSSH_") and e["protocol"] == "2.0" and "incomplete" not in e and "error" not in e
    assert [k for k in e["kex"] if k not in ("ext-info-s", "kex-strict-s-v00@openssh.com")] == kex
    assert e["ciphers"]["client_to_server"] == e["ciphers"]["server_to_client"] == ciphers
    assert e["macs"]["client_to_server"] == macs
    assert [k["sha256"] for k in e["host_keys"]] == [keys.fingerprint(kind) for kind in kinds]
    assert [k["key"] for k in e["host_keys"]] == [{"type": "rsa", "bits": 3072},
                                                  {"type": "ec", "curve": "secp256r1", "bits": 256}, {"type": "ed25519", "bits": 256}]
    assert e["host_keys"][0]["algorithms"] == ["rsa-sha2-512", "rsa-sha2-256"] and e["strict_kex"] is True
    assert e["connections"] == 6 and "Received disconnect" in log
    assert [r.get("modulus") for r in e["dh_gex"]["requests"]][:2] == [None, 2048]
    assert words(results)["terrapin"] == "pass" and words(results)["version"] == "pass"


def test_openssh_legacy(keys, tmp_path):
    kinds = ["dsa-1024", "rsa-1024", "ecdsa-384", "ecdsa-521"]
    with servers.OpenSsh(tmp_path, [keys.make(kind) for kind in kinds], "HostKeyAlgorithms +ssh-rsa,ssh-dss",
                         "KexAlgorithms diffie-hellman-group1-sha1,diffie-hellman-group14-sha1",
                         "Ciphers 3des-cbc,aes128-cbc", "MACs hmac-md5-etm@openssh.com,hmac-sha1") as server:
        e, results = measure(server.uri)
    found = [(k["key"]["type"], k["key"]["bits"]) for k in e["host_keys"]]
    assert sorted(found) == [("dsa", 1024), ("ec", 384), ("ec", 521), ("rsa", 1024)] and "incomplete" not in e
    assert "dh_gex" not in e and e["connections"] == 4
    assert {c: words(results)[c] for c in ("kex", "host_key", "cipher", "mac", "strength_until")} == {
        "kex": "fail", "host_key": "fail", "cipher": "warn", "mac": "fail", "strength_until": "fail"}


def test_openssh_hardened(keys, tmp_path):
    with servers.OpenSsh(tmp_path, [keys.make("ed25519")], "KexAlgorithms curve25519-sha256", "Ciphers aes256-gcm@openssh.com") as server:
        e, results = measure(server.uri)
    assert e["connections"] == 1
    assert words(results) == {"version": "pass", "kex": "pass", "pq_kex": "warn", "host_key": "pass", "cipher": "pass", "mac": "na",
                              "terrapin": "pass", "strength_until": "pass"}
    assert results["ssh.strength_until"]["value"] == 2050


@pytest.mark.parametrize("kex", ["sntrup761x25519-sha512@openssh.com", "ecdh-sha2-nistp521", "ecdh-sha2-nistp384", "ecdh-sha2-nistp256",
                                 "diffie-hellman-group18-sha512", "diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1"])
def test_every_method_reads_the_host_key(keys, tmp_path, kex):
    with servers.OpenSsh(tmp_path, [keys.make("ed25519")], f"KexAlgorithms {kex}") as server:
        e, _ = measure(server.uri)
    assert [k["sha256"] for k in e["host_keys"]] == [keys.fingerprint("ed25519")] and "incomplete" not in e, e


def test_certificates(keys, tmp_path):
    for kind, ca, options in (("ecdsa-256", "rsa-2048", ("-t", "rsa-sha2-256")), ("ed25519", "ecdsa-384", ())):
        certificate = keys.certify(kind, ca, *options)
        with servers.OpenSsh(tmp_path, [keys.make(kind)], f"HostCertificate {certificate}") as server:
            e, _ = measure(server.uri)
        plain, certified = sorted(e["host_keys"], key=lambda k: "certificate" in k)
        assert plain["key"] == certified["key"] and plain["sha256"] == certified["sha256"] == keys.fingerprint(kind)
        assert certified["certificate"]["type"] == "host" and certified["certificate"]["ca"]["sha256"] == keys.fingerprint(ca)
        assert certified["certificate"]["signature"] == (options[1] if options else "ecdsa-sha2-nistp384")
        assert certified["certificate"]["valid_after"] < certified["certificate"]["valid_before"]


def test_max_startups(keys, tmp_path):
    """Connections that hold the only place: nothing is known, and nothing fails."""
    with servers.OpenSsh(tmp_path, [keys.make("ed25519")], "MaxStartups 1:100:1", "LoginGraceTime 60") as server:
        holder = servers.socket.create_connection(("127.0.0.1", server.port))
        while not holder.recv(100).startswith(b"SSH-"):  # the place is free again a little after the last visitor
            holder = servers.socket.create_connection(("127.0.0.1", server.port))
        with holder:
            e, results = measure(server.uri, TimeoutMs=2000, DeadlineMs=12000)
    assert e["error"]["code"] in ("rate_limited", "closed", "reset"), e
    assert set(words(results).values()) == {"unknown"}


def test_dropbear(tmp_path):
    with servers.Dropbear(tmp_path, "rsa-2048", "ecdsa-256", "ed25519") as server:
        e, results = measure(server.uri)
    assert e["software"].startswith("dropbear") and "incomplete" not in e, e
    assert sorted(k["key"]["type"] for k in e["host_keys"]) == ["ec", "ed25519", "rsa"]
    assert set(e["kex"] + e["host_key_algorithms"] + e["ciphers"]["client_to_server"] + e["macs"]["client_to_server"]) <= NAMES
    assert results["ssh.host_key"]["code"] == "algorithm.too_weak"  # ssh-rsa signs by SHA-1


def test_every_name_of_openssh_is_known():
    for what in ("kex", "key", "cipher", "mac", "sig"):
        out = subprocess.run(["ssh", "-Q", what], check=True, capture_output=True, text=True).stdout.split()
        assert set(out) - {"webauthn-sk-ecdsa-sha2-nistp256@openssh.com"} <= NAMES, what


def test_mlkem_is_asked(tmp_path):
    """No Debian 12 package speaks ML-KEM in SSH: a server of ours, which checks the size and form of what it gets."""
    got = []

    def talk(s, _):
        s.sendall(b"SSH-2.0-OpenSSH_10.0\r\n" + servers.packet(servers.kexinit("mlkem768x25519-sha256,ext-info-s")))
        data = servers.until(s, b"\x1e\x00\x00\x04\xc0")
        got.append(data.split(b"\x1e\x00\x00\x04\xc0", 1)[1][:1216])
        s.sendall(servers.ed25519_reply())
        s.recv(1000)

    with servers.Script(talk) as server:
        e, results = measure(server.uri)
    assert len(got) == 1 and got[0][1184:] == b"\x09" + bytes(31) and e["host_keys"][0]["key"]["type"] == "ed25519"
    assert words(results)["pq_kex"] == "pass" and words(results)["kex"] == "pass" and e["ext_info"] is True


def test_a_server_that_waits_for_our_lists():
    def talk(s, _):
        s.sendall(b"SSH-2.0-waits\r\n")
        data = servers.until(s, b"ssh-ed25519")
        s.sendall(servers.packet(servers.kexinit("curve25519-sha256")))
        servers.until(s, servers.X25519_INIT, data)
        s.sendall(servers.ed25519_reply())
        s.recv(1000)

    with servers.Script(talk) as server:
        e, _ = measure(server.uri, TimeoutMs=3000)
    assert len(e["host_keys"]) == 1 and "incomplete" not in e and e["connections"] == 2


def test_two_servers_behind_one_address():
    def talk(s, number):
        s.sendall(b"SSH-2.0-x\r\n" + servers.packet(servers.kexinit("curve25519-sha256", "ssh-ed25519,rsa-sha2-512",
                                                                 cipher="3des-cbc" if number % 2 else "aes128-ctr")))
        servers.until(s, servers.X25519_INIT)
        s.sendall(servers.ed25519_reply())
        s.recv(1000)

    with servers.Script(talk) as server:
        e, results = measure(server.uri, TimeoutMs=1000)
    assert "algorithms" in e["incomplete"] and words(results)["cipher"] == "unknown"


def limited(s, number):
    if number > 0:
        s.sendall(b"Not allowed at this time\r\n")
        return
    s.sendall(b"SSH-2.0-OpenSSH_9.9\r\n" + servers.packet(servers.kexinit("curve25519-sha256", "ssh-ed25519,rsa-sha2-512")))
    servers.until(s, servers.X25519_INIT)
    s.sendall(servers.ed25519_reply())
    s.recv(1000)


def test_penalty_in_the_middle():
    with servers.Script(limited) as server:
        e, results = measure(server.uri, DeadlineMs=20000)
    assert e["error"] == {"code": "rate_limited", "detail": "Not allowed at this time"}
    assert len(e["host_keys"]) == 1 and e["incomplete"] == ["host_keys.rsa-sha2-512"] and e["connections"] == 5
    assert words(results)["host_key"] == "unknown" and words(results)["kex"] == "pass"


def endless(piece):
    def talk(s, _):
        while True:
            s.sendall(piece)
    return talk


def slowly(data):
    def talk(s, _):
        for byte in data:
            s.sendall(bytes([byte]))
            time.sleep(0.3)
        time.sleep(30)
    return talk


def say(data):
    def talk(s, _):
        s.sendall(data)
        s.shutdown(servers.socket.SHUT_WR)
        while s.recv(65536):
            pass
    return talk


BANNER = b"SSH-2.0-x\r\n"
BIG = servers.packet(servers.kexinit(",".join(f"name{i}" for i in range(3000))))
HOSTILE = {
    "endless lines": (endless(b"hello\r\n" * 500), {"too_large"}),
    "endless line": (endless(b"x" * 5000), {"too_large"}),
    "endless banner": (say(b"SSH-2.0-" + b"x" * 300 + b"\r\n"), {"protocol"}),
    "endless ignore": (endless(BANNER + servers.packet(b"\x02" + servers.string("x" * 200))), {"protocol", "too_large"}),
    "tls": (say(b"\x15\x03\x01\x00\x02\x02\x46"), {"not_ssh"}),
    "http": (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {"not_ssh"}),
    "ssh-1": (say(b"SSH-1.5-old\n"), {"ssh1_only"}),
    "huge packet": (say(BANNER + b"\x7f\xff\xff\xff\x08"), {"too_large"}),
    "bad padding": (say(BANNER + b"\x00\x00\x00\x08\xff" + bytes(20)), {"protocol"}),
    "list past its end": (say(BANNER + servers.packet(b"\x14" + bytes(16) + b"\xff\xff\xff\xff")), {"protocol"}),
    "name that is none": (say(BANNER + servers.packet(servers.kexinit("a\x1b[31mb"))), {"protocol"}),
    "silent": (lambda s, _: time.sleep(30), {"timeout"}),
    "byte a second": (slowly(BANNER + BIG), {"timeout", "deadline"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name):
    talk, errors = HOSTILE[name]
    with servers.Script(talk) as server:
        started = time.monotonic()
        e, results = measure(server.uri, TimeoutMs=1000, DeadlineMs=5000)
        assert time.monotonic() - started < 8
    assert e["error"]["code"] in errors, e
    assert set(words(results).values()) <= {"unknown", "fail" if name == "ssh-1" else "unknown",
                                            "pass" if "banner" in e else "unknown"}, results


def test_oversized_kexinit_is_cut():
    with servers.Script(say(BANNER + BIG)) as server:
        e, results = measure(server.uri, TimeoutMs=1000, DeadlineMs=8000)
    assert e["truncated"] is True and len(e["kex"]) == 128
    assert words(results)["kex"] == "unknown"


def recorded(keys, tmp_path):
    """What an OpenSSH says until its host key has come."""
    with servers.OpenSsh(tmp_path, [keys.make("ed25519")], "KexAlgorithms curve25519-sha256") as server:
        with servers.socket.create_connection(("127.0.0.1", server.port)) as s:
            s.sendall(BANNER + servers.packet(servers.kexinit("curve25519-sha256", cipher="aes128-ctr,aes256-ctr")) +
                      servers.packet(b"\x1e" + servers.string(b"\x09" + bytes(31))))
            s.settimeout(0.5)
            data = b""
            while True:
                try:
                    piece = s.recv(65536)
                except TimeoutError:
                    return data
                if not piece:
                    return data
                data += piece


def test_early_close_at_every_byte_and_mutations(keys, tmp_path):
    """One target per server: cut after n bytes, or with bytes changed. All end, none is better than the whole."""
    data = recorded(keys, tmp_path)
    assert len(data) > 800
    rng = random.Random(4253)
    cases = [data[:n] for n in range(0, len(data), 1 if len(data) < 700 else 3)]
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 6)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        cases.append(bytes(changed))
    with contextlib.ExitStack() as stack:
        uris = [stack.enter_context(servers.Script(say(case))).uri for case in cases]
        reports = crypto_worker.probe(uris, TimeoutMs=1000, DeadlineMs=10000, StartRate=10000, MaxRunning=400,
                                      ConnectionsPerHost=16, ConnectionsPerNetwork=1000)
    assert len(reports) == len(cases)
    for case, report in zip(cases, reports):
        facts = report["facts"]["ssh"]
        jsonschema.Draft202012Validator(SCHEMA).validate(facts)
        result = {r["check"]: r["result"] for r in report["results"]}
        if len(case) < len(data):
            assert result["ssh.host_key"] == "unknown" or facts["endpoints"][0]["host_keys"], facts


def test_memory_stays_small():
    """Fifty endless servers at once: under 4 MiB each, the worker's own memory included."""
    with contextlib.ExitStack() as stack:
        uris = [stack.enter_context(servers.Script(endless(BANNER + BIG if i % 2 else b"hello\r\n" * 900))).uri for i in range(50)]
        worker = crypto_worker.Worker(uris, TimeoutMs=1000, DeadlineMs=3000, StartRate=10000, MaxRunning=100,
                                      ConnectionsPerHost=16, ConnectionsPerNetwork=1000)
        out = worker.process.stdout.read()
        _, _, usage = os.wait4(worker.process.pid, 0)
        peak = usage.ru_maxrss
        worker.socket.close()
        worker.process.stdout.close()
    assert len(out.splitlines()) == 50
    if not os.environ.get("POSTURE_SANITIZE"):
        assert peak < 50 * 4096, peak


def test_program_shows_it(keys, tmp_path):
    program = crypto_worker.BUILD / "plugins" / "posture" / "posture"
    with servers.OpenSsh(tmp_path, [keys.make("ed25519")]) as server:
        for lang, word in (("en", "host key"), ("ja", "ホスト鍵")):
            out = subprocess.run([program, "probe", server.uri, "--lang", lang], check=True, capture_output=True, text=True).stdout
            assert word in out and keys.fingerprint("ed25519") in out
        out = subprocess.run([program, "probe", server.uri, "--format", "json"], check=True, capture_output=True, text=True).stdout
        again = subprocess.run([program, "judge", "--format", "json", "--at", "2051-04-01"], input=out, check=True, capture_output=True, text=True)
    assert json.loads(again.stdout)["kind"] == "ssh" and "not_allowed" in again.stdout
