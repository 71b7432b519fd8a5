# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Servers that begin in the clear, on loopback for tests and benches: Postfix, Dovecot, OpenLDAP, PostgreSQL, vsftpd, Prosody. As in
tls_servers.py each is a context manager with .port and .uri; without a certificate they offer no TLS. They start as root, as their
packages do, and give that up themselves. available("postfix") … says whether the package is there."""

import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

import tls_servers

PROGRAMS = {"postfix": "/usr/lib/postfix/sbin/master", "dovecot": "/usr/sbin/dovecot", "slapd": "/usr/sbin/slapd",
            "vsftpd": "/usr/sbin/vsftpd", "prosody": "/usr/bin/prosody"}


def postgresql_folder():
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return folders[-1].parent if folders else None


def available(name):
    if os.geteuid() != 0:
        return False
    return postgresql_folder() is not None if name == "postgresql" else os.path.exists(PROGRAMS[name])


class Server(tls_servers.Process):
    """A process with a folder of its own and a scheme."""

    scheme = "smtp"

    def __init__(self, args, port, folder, **popen):
        self.folder = folder
        super().__init__(args, port, **popen)

    @property
    def uri(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def said(self):
        """Its log so far, where it logs to its output."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def __exit__(self, *args):
        super().__exit__(*args)
        shutil.rmtree(self.folder, ignore_errors=True)


def own_folder(name):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"posture-{name}."))
    folder.chmod(0o755)
    return folder


def own_copy(pair, folder, user=None):
    """Certificate and key where, and as, a server wants them: the key for its user alone."""
    paths = []
    for source, name in zip(pair, ("server.crt", "server.key")):
        path = folder / name
        shutil.copyfile(source, path)
        path.chmod(0o600 if name.endswith("key") else 0o644)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        paths.append(path)
    return paths


class Postfix(Server):
    """settings: further lines of main.cf, such as smtpd_tls_security_level=encrypt."""

    def __init__(self, certificate=None, **settings):
        folder, port = own_folder("postfix"), tls_servers.free_port()
        conf, queue, data = folder / "conf", folder / "queue", folder / "data"
        for path in (conf, queue, data):
            path.mkdir()
        owner = pwd.getpwnam("postfix")
        os.chown(data, owner.pw_uid, owner.pw_gid)
        main = {"compatibility_level": "3.6", "queue_directory": queue, "data_directory": data, "myhostname": "mx.example.go.jp",
                "mydestination": "", "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "maillog_file": folder / "mail.log",
                "maillog_file_prefixes": folder, "smtpd_tls_loglevel": "1", "alias_maps": "", "local_recipient_maps": ""}
        if certificate:
            crt, key = own_copy(certificate, folder)
            chain = folder / "chain.pem"
            chain.write_bytes(key.read_bytes() + crt.read_bytes())
            chain.chmod(0o600)
            main |= {"smtpd_tls_chain_files": chain, "smtpd_tls_security_level": "may"}
        main |= settings
        (conf / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in main.items()))
        (conf / "master.cf").write_text(
            f"127.0.0.1:{port} inet n - n - - smtpd\n"
            "cleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n"
            "tlsmgr unix - - n 1000? 1 tlsmgr\nanvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n"
            "bounce unix - - n - 0 bounce\nerror unix - - n - - error\nproxymap unix - - n - - proxymap\n")
        super().__init__(["/usr/sbin/postfix", "-c", str(conf), "start-fg"], port, folder, start_new_session=True)

    def said(self):
        path = self.folder / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self):
        if self.process.poll() is None:
            subprocess.run(["/usr/sbin/postfix", "-c", str(self.folder / "conf"), "stop"], capture_output=True, check=False)
        super().stop()


class Dovecot(Server):
    """.imap and .pop3 are the two URIs; lines: further lines of dovecot.conf."""

    def __init__(self, certificate=None, lines=""):
        folder = own_folder("dovecot")
        self.imap_port, self.pop3_port = tls_servers.free_ports(2)
        tls = "ssl = no\n"
        if certificate:
            crt, key = own_copy(certificate, folder)
            tls = f"ssl = required\nssl_cert = <{crt}\nssl_key = <{key}\nssl_dh = </usr/share/dovecot/dh.pem\n"
        conf = folder / "dovecot.conf"
        conf.write_text(f"""protocols = imap pop3
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
auth_mechanisms = plain
mail_location = maildir:{folder}/mail
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {self.pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
{tls}{lines}""")
        super().__init__(["/usr/sbin/dovecot", "-F", "-c", str(conf)], self.imap_port, folder)

    @property
    def imap(self):
        return f"imap://127.0.0.1:{self.imap_port}"

    @property
    def pop3(self):
        return f"pop3://127.0.0.1:{self.pop3_port}"

    uri = imap


class OpenLdap(Server):
    """.ldaps_port: the same with TLS first; Debian's slapd speaks TLS with GnuTLS."""

    scheme = "ldap"

    def __init__(self, certificate=None, lines=""):
        folder, (port, self.ldaps_port) = own_folder("slapd"), tls_servers.free_ports(2)
        conf = folder / "slapd.conf"
        tls = ""
        if certificate:
            crt, key = own_copy(certificate, folder)
            tls = f"TLSCertificateFile {crt}\nTLSCertificateKeyFile {key}\n"
        conf.write_text(f"pidfile {folder}/pid\nargsfile {folder}/args\n{tls}{lines}\ndatabase config\n")
        super().__init__(["/usr/sbin/slapd", "-h", f"ldap://127.0.0.1:{port} ldaps://127.0.0.1:{self.ldaps_port}", "-f", str(conf), "-d", "0"], port, folder)


class PostgreSql(Server):
    scheme = "postgresql"

    def __init__(self, certificate=None, **settings):
        folder, port = own_folder("postgresql"), tls_servers.free_port()
        programs, owner = postgresql_folder(), pwd.getpwnam("postgres")
        data = folder / "data"
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run([programs / "initdb", "-D", data, "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C"], user="postgres",
                       group="postgres", extra_groups=[], cwd=folder, check=True, capture_output=True)
        lines = {"unix_socket_directories": "''", "listen_addresses": "'127.0.0.1'", "port": port, "fsync": "off",
                 "max_connections": 20, "shared_buffers": "1MB"}
        if certificate:
            crt, key = own_copy(certificate, folder, user="postgres")
            lines |= {"ssl": "on", "ssl_cert_file": f"'{crt}'", "ssl_key_file": f"'{key}'"}
        lines |= settings
        with open(data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{k} = {v}\n" for k, v in lines.items())
        super().__init__([str(programs / "postgres"), "-D", str(data)], port, folder, user="postgres", group="postgres",
                         extra_groups=[], cwd=folder)


class Vsftpd(Server):
    scheme = "ftp"

    def __init__(self, certificate=None, **settings):
        folder, port = own_folder("vsftpd"), tls_servers.free_port()
        empty = folder / "empty"
        empty.mkdir(mode=0o555)
        conf = {"listen": "YES", "listen_address": "127.0.0.1", "listen_port": port, "background": "NO", "anonymous_enable": "YES",
                "local_enable": "NO", "secure_chroot_dir": empty, "seccomp_sandbox": "NO", "isolate_network": "NO", "isolate": "NO",
                "xferlog_enable": "NO", "dual_log_enable": "NO", "vsftpd_log_file": folder / "log"}
        if certificate:
            crt, key = own_copy(certificate, folder)
            conf |= {"ssl_enable": "YES", "rsa_cert_file": crt, "rsa_private_key_file": key, "ssl_tlsv1": "YES",
                     "require_ssl_reuse": "NO", "ssl_ciphers": "HIGH"}
        conf |= settings
        path = folder / "vsftpd.conf"
        path.write_text("".join(f"{k}={v}\n" for k, v in conf.items()))
        super().__init__(["/usr/sbin/vsftpd", str(path)], port, folder)


class Prosody(Server):
    """.uri for clients, .server_uri for other servers; the virtual host is xmpp.example.go.jp, to be given as ServerName."""

    scheme = "xmpp"
    NAME = "xmpp.example.go.jp"

    def __init__(self, certificate=None, lines="", server_port=None):
        folder = own_folder("prosody")
        client_port, free = tls_servers.free_ports(2)
        self.server_port = server_port or free
        owner = pwd.getpwnam("prosody")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        tls, modules = "", '"saslauth"'
        if certificate:
            crt, key = own_copy(certificate, folder, user="prosody")
            tls = f'ssl = {{ certificate = "{crt}"; key = "{key}"; }}\n'
            modules += '; "tls"'
        conf = folder / "prosody.cfg.lua"
        conf.write_text(f"""daemonize = false
pidfile = "{folder}/pid"
data_path = "{folder}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {client_port} }}
s2s_ports = {{ {self.server_port} }}
modules_enabled = {{ {modules}; "dialback"; "s2s"; "c2s" }}
modules_disabled = {{ "http" }}
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
c2s_require_encryption = {"true" if certificate else "false"}
s2s_require_encryption = {"true" if certificate else "false"}
authentication = "internal_plain"
{lines}
VirtualHost "{self.NAME}"
{tls}""")
        super().__init__(["/usr/bin/prosody", "-F", "--config", str(conf)], client_port, folder, user="prosody", group="prosody",
                         extra_groups=[], cwd=folder)

    @property
    def server_uri(self):
        return f"xmpp://127.0.0.1:{self.server_port}"
