# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""SSH servers on loopback for tests and benches: OpenSSH, Dropbear, and scripted ones that misbehave. Each is a context
manager with .port and .uri; all ports are free ones."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading

import tls_servers

SSHD = "/usr/sbin/sshd"
DROPBEAR = "/usr/sbin/dropbear"


class Keys:
    """Host keys in a folder, made once each: "rsa-3072", "dsa-1024", "ecdsa-384", "ed25519"."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def make(self, kind):
        path = self.folder / kind
        if not path.exists():
            name, _, bits = kind.partition("-")
            subprocess.run(["ssh-keygen", "-q", "-t", name, *(["-b", bits] if bits else []), "-N", "", "-C", "test", "-f", path],
                           check=True)
        return str(path)

    def certify(self, kind, ca, *options):
        """Path of a host certificate for the key, by the CA."""
        subprocess.run(["ssh-keygen", "-q", "-s", self.make(ca), *options, "-h", "-I", "test", "-V", "-1d:+30d", self.make(kind) + ".pub"],
                       check=True, capture_output=True)
        return self.make(kind) + "-cert.pub"

    def fingerprint(self, kind):
        out = subprocess.run(["ssh-keygen", "-l", "-E", "sha256", "-f", self.make(kind)], check=True, capture_output=True, text=True)
        return out.stdout.split()[1].removeprefix("SHA256:")


class OpenSsh:
    """Debian's sshd. lines: further lines of sshd_config."""

    def __init__(self, folder, keys, *lines):
        pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.port = tls_servers.free_port()
        self.uri = f"ssh://127.0.0.1:{self.port}"
        self.folder = pathlib.Path(folder)
        config = self.folder / f"sshd-{self.port}.conf"
        config.write_text("\n".join([f"Port {self.port}", "ListenAddress 127.0.0.1", "UsePAM no", "PidFile none", "StrictModes no",
                                     *(f"HostKey {key}" for key in keys), *lines]) + "\n")
        self.log = self.folder / f"sshd-{self.port}.log"
        self.command = [SSHD, "-D", "-f", str(config), "-E", str(self.log)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command)
        tls_servers.wait_port(self.port, process=self.process)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)


class Dropbear:
    def __init__(self, folder, *kinds):
        self.port = tls_servers.free_port()
        self.uri = f"ssh://127.0.0.1:{self.port}"
        self.command = [DROPBEAR, "-F", "-E", "-p", f"127.0.0.1:{self.port}",
                        "-P", str(pathlib.Path(folder) / f"dropbear-{self.port}.pid")]  # deleted at its end
        for kind in kinds:
            name, _, bits = kind.partition("-")
            path = pathlib.Path(folder) / f"dropbear-{kind}"
            if not path.exists():
                subprocess.run(["dropbearkey", "-t", name, *(["-s", bits] if bits else []), "-f", path], check=True, capture_output=True)
            self.command += ["-r", str(path)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
        tls_servers.wait_port(self.port, process=self.process)
        return self

    __exit__ = OpenSsh.__exit__


def string(text):
    text = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(text)) + text


def packet(payload):
    padding = 8 - (len(payload) + 5) % 8
    padding += 8 if padding < 4 else 0
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def kexinit(kex, host_key="ssh-ed25519", cipher="aes128-ctr", mac="hmac-sha2-256", compression="none"):
    lists = [kex, host_key, cipher, cipher, mac, mac, compression, compression, "", ""]
    return b"\x14" + os.urandom(16) + b"".join(map(string, lists)) + bytes(5)


def ed25519_reply(message=31):
    blob = string("ssh-ed25519") + string(bytes(range(32)))
    return packet(bytes([message]) + string(blob) + string(bytes(32)) + string(string("ssh-ed25519") + string(bytes(64))))


X25519_INIT = b"\x1e\x00\x00\x00\x20\x09"


def until(connection, marker, data=b""):
    """Reads until the marker came; an error when the client ends first."""
    while marker not in data:
        piece = connection.recv(65536)
        if not piece:
            raise ConnectionError("the client left")
        data += piece
    return data


class Script:
    """A server that calls talk(socket, number) for each connection, in a thread of its own."""

    def __init__(self, talk):
        self.talk = talk
        self.count = 0

    def _serve(self, connection, number):
        with connection:
            try:
                self.talk(connection, number)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number, self.count = self.count, self.count + 1
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.uri = f"ssh://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
