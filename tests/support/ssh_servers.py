# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""OpenSSH's sshd and Dropbear on loopback for tests and benches: packages openssh-server, dropbear-bin; root only. Each is a
context manager with .port; host keys are made once each in a folder, nobody can log in."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import tls_servers


class HostKeys:
    """Key files in a folder: openssh("rsa2048"), openssh("ecdsa256"), openssh("ed25519"), openssh("dsa"); dropbear() likewise."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def _type_bits(name):
        kind = name.rstrip("0123456789") if name not in ("ed25519",) else name
        return kind, name[len(kind):]

    def openssh(self, name):
        path = self.folder / f"openssh-{name}"
        if not path.exists():
            kind, bits = self._type_bits(name)
            subprocess.run(["ssh-keygen", "-q", "-t", kind, *(["-b", bits] if bits else []), "-N", "", "-C", "", "-f", path],
                           check=True, capture_output=True)
        return str(path)

    def dropbear(self, name):
        path = self.folder / f"dropbear-{name}"
        if not path.exists():
            kind, bits = self._type_bits(name)
            subprocess.run(["dropbearkey", "-t", kind, *(["-s", bits] if bits else []), "-f", path], check=True, capture_output=True)
        return str(path)


class Sshd(tls_servers.Process):
    """keys: names for HostKeys.openssh(). settings: {"KexAlgorithms": "…", "Ciphers": "…"} of sshd_config(5)."""

    scheme = "ssh"

    def __init__(self, folder, keys, names=("rsa3072", "ecdsa256", "ed25519"), settings=None, host="127.0.0.1"):
        port = tls_servers.free_port(host)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sshd-", dir=folder))
        address = f"[{host}]" if ":" in host else host
        lines = {"ListenAddress": f"{address}:{port}", "PidFile": "none", "UsePAM": "no", "PermitRootLogin": "no", "UseDNS": "no",
                 "PasswordAuthentication": "no", "AllowUsers": "nobody-at-all", "MaxStartups": "1000", **(settings or {})}
        conf = self.folder / "sshd_config"
        conf.write_text("".join(f"HostKey {keys.openssh(name)}\n" for name in names) + "".join(f"{k} {v}\n" for k, v in lines.items()))
        # sshd starts itself anew for each connection and so must be called by its whole path.
        sshd = shutil.which("sshd") or "/usr/sbin/sshd"
        super().__init__([sshd, "-D", "-e", "-f", str(conf)], port, host)

    def __exit__(self, *args):
        super().__exit__(*args)
        shutil.rmtree(self.folder, ignore_errors=True)


class Dropbear(tls_servers.Process):
    scheme = "ssh"

    def __init__(self, keys, names=("rsa2048", "ecdsa256", "ed25519"), args=(), host="127.0.0.1"):
        port = tls_servers.free_port(host)
        address = f"[{host}]" if ":" in host else host
        dropbear = shutil.which("dropbear") or "/usr/sbin/dropbear"
        super().__init__([dropbear, "-F", "-E", "-s", "-j", "-k", "-P", "", "-p", f"{address}:{port}",
                          *[word for name in names for word in ("-r", keys.dropbear(name))], *args], port, host)
