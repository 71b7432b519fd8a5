# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Runs the built worker posture-crypto as collectd's host object or the program would."""

import json
import os
import pathlib
import resource
import socket
import subprocess

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", SOURCE / "build" / "dev"))


# A network of its own without an interface up: a look-up cannot leave this machine.
OFFLINE = ("unshare", "--net")


def escape(text):
    for plain, written in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(plain, written)
    return text


def settings_lines(endpoints, options):
    """endpoints: URIs, or (URI, {option: value}) pairs."""
    lines = []
    fields = ["plugin"]
    for name, value in options.items():
        for item in value if isinstance(value, list) else [value]:
            fields += [name, str(item)]
    lines.append(fields)
    for endpoint in endpoints:
        uri, own = endpoint if isinstance(endpoint, tuple) else (endpoint, {})
        fields = ["block", "Endpoint", uri]
        for name, value in own.items():
            fields += [name, str(value)]
        lines.append(fields)
    text = "".join("\t".join(escape(f) for f in line) + "\n" for line in lines)
    return (text + "\n").encode()


class Worker:
    """The worker process, its end of the socket pair, and its standard output. wrapper: a command that execs it."""

    def __init__(self, endpoints, once=True, program=None, wrapper=(), **options):
        options.setdefault("TrustStore", "none")
        program = program or BUILD / "plugins" / "posture_crypto" / "posture-crypto"
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket = ours

        def hand_over():
            os.dup2(theirs.fileno(), 3)
            if theirs.fileno() != 3:
                os.close(theirs.fileno())
            os.set_inheritable(3, True)

        self.process = subprocess.Popen(
            [*wrapper, str(program)] + (["--once"] if once else []), stdout=subprocess.PIPE,
            stderr=None, preexec_fn=hand_over, close_fds=False)
        theirs.close()
        self.socket.sendall(settings_lines(endpoints, options))

    def lines(self):
        """What the worker says to the host, until it ends."""
        pending = b""
        while True:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return
            *whole, pending = (pending + piece).split(b"\n")
            yield from (line.decode().split("\t") for line in whole)

    def stop(self):
        self.socket.close()
        return self.process.wait(timeout=20)


def probe(endpoints, **options):
    """Reports of one round; up to 16 in order. Raises when the worker refuses its settings."""
    worker = Worker(endpoints, **options)
    out = worker.process.stdout.read()
    said = list(worker.lines())
    refused = [line[1] for line in said if line[0] == "refused"]
    status = worker.stop()
    worker.process.stdout.close()
    if refused:
        raise ValueError(refused[0])
    assert status == 0, (status, said)
    return [json.loads(line) for line in out.splitlines()]


def facts(endpoint, **options):
    """Facts of kind tls of one endpoint with one address: (facts, its only member of "endpoints")."""
    (report,) = probe([endpoint], **options)
    tls = report["facts"]["tls"]
    return tls, tls["endpoints"][0]


def children_cpu_s():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
