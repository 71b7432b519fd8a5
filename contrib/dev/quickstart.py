# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The running part of contrib/quickstart: processes, configuration files, the wait, and the table."""

import argparse
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = TOP / "build" / "quickstart"
COLLECTD_PLUGINS = pathlib.Path("/usr/lib/collectd")
STARTED = time.monotonic()

PORTS = {
    "modern": (8443, "nginx of the modern agency"),
    "legacy": (8444, "nginx of the legacy agency"),
    "kafka": (9092, "Kafka broker"),
    "controller": (9093, "Kafka controller"),
    "centre": (9475, "page and metrics of the centre"),
    "prometheus": (9090, "Prometheus"),
}

# What the two agencies must come out as: criterion -> achieved. Everything the modern one negotiates is on the
# CRYPTREC list and stays allowed after 2030; the legacy one fails in version, suites, key and forward secrecy.
EXPECTED = {
    "agency-modern": {"crypto.tls": 1.0, "crypto.forward_secrecy": 1.0, "crypto.certificates": 1.0,
                      "crypto.strength_2031": 1.0},
    "agency-legacy": {"crypto.tls": 0.0, "crypto.forward_secrecy": 0.0, "crypto.strength_2031": 0.0},
}

AGENCIES = [
    {"id": "agency-modern", "node": "modern", "area": "central-government", "class": "ministry",
     "name": {"ja": "見本省(新しい構成)", "en": "Example Ministry (modern)"}},
    {"id": "agency-legacy", "node": "legacy", "area": "local-government", "class": "municipality",
     "name": {"ja": "見本市(古い構成)", "en": "Example City (legacy)"}},
]


class Problem(Exception):
    """Something that ends the quickstart with one clear line."""


def say(text):
    print(f"[{OFFSET + int(time.monotonic() - STARTED):3d} s] {text}", flush=True)


OFFSET = 0


class Processes:
    """What this run started, in order; stopped in reverse, by process id."""

    def __init__(self):
        self.running = []
        self.broker = None
        self.broker_status = None

    def start(self, name, command, log, env=None, stop_signal=signal.SIGTERM):
        with open(log, "ab") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                       env=env, start_new_session=True)
        self.running.append((name, process, log, stop_signal))
        return process

    def start_broker(self, folder, ports):
        """The broker is started and stopped by its own script, which waits until it is ready."""
        broker = str(TOP / "contrib" / "kafka" / "broker")
        self.broker = [broker, "stop", "--dir", str(folder)]
        run([broker, "start", "--dir", str(folder), "--port", str(ports["kafka"][0]),
             "--controller-port", str(ports["controller"][0]), "--topics"], "starting the Kafka broker",
            stdin=subprocess.DEVNULL)
        self.broker_status = [broker, "status", "--dir", str(folder)]

    def check(self):
        if self.broker_status and subprocess.run(self.broker_status, capture_output=True, check=False).returncode:
            raise Problem("the Kafka broker ended")
        for name, process, log, _ in self.running:
            if process.poll() is not None:
                raise Problem(f"{name} ended with status {process.returncode}; its last lines:\n"
                              f"{tail(log)}\n{tail(pathlib.Path(log).with_suffix('.log'))}")

    def stop(self):
        for name, process, _, stop_signal in reversed(self.running):
            if process.poll() is None:
                process.send_signal(stop_signal)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                print(f"quickstart: {name} did not stop in 15 s; killed", file=sys.stderr)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=5)
        self.running.clear()
        if self.broker:
            subprocess.run(self.broker, capture_output=True, check=False)
            self.broker = None


def tail(path, lines=12):
    try:
        return "\n".join("    " + line for line in
                         pathlib.Path(path).read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"    ({error})"


def run(command, what, **keywords):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **keywords)
    if done.returncode != 0:
        raise Problem(f"{what} failed:\n{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def check_ports(ports):
    for name, (port, what) in ports.items():
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                with socket.socket(family, socket.SOCK_STREAM) as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind((host, port))
            except OSError as error:
                if error.errno == 98:  # EADDRINUSE; an address family that is off is no conflict
                    raise Problem(f"port {port} ({what}) is in use on {host}; choose another with "
                                  f"--port {name}=NUMBER") from None


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def worker_user(name):
    for candidate in (name, "posture", "nobody"):
        try:
            return pwd.getpwnam(candidate)
        except KeyError:
            continue
    raise Problem("neither user 'posture' nor 'nobody' exists: the workers need an unprivileged user")


def make_certificates(base):
    """A certificate authority, a P-256 certificate for the modern agency, an RSA-1024 one for the legacy one."""
    pki = base / "pki"
    pki.mkdir()

    def issue(name, key, digest, days):
        run(["openssl", "req", "-new", *key, "-nodes", "-keyout", pki / f"{name}.key", "-out", pki / f"{name}.csr",
             "-subj", f"/O=Posture quickstart/CN={name}.example"], f"certificate request {name}")
        (pki / f"{name}.ext").write_text(
            f"subjectAltName=DNS:{name}.example\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
            "keyUsage=digitalSignature,keyEncipherment\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        run(["openssl", "x509", "-req", "-in", pki / f"{name}.csr", "-CA", pki / "ca.pem", "-CAkey", pki / "ca.key",
             "-CAcreateserial", "-days", str(days), digest, "-extfile", pki / f"{name}.ext",
             "-out", pki / f"{name}.leaf"], f"certificate {name}")
        (pki / f"{name}.pem").write_text((pki / f"{name}.leaf").read_text())

    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
         "-days", "3650", "-keyout", pki / "ca.key", "-out", pki / "ca.pem",
         "-subj", "/O=Posture quickstart/CN=Example CA"], "certificate authority")
    issue("modern", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "-sha256", 90)
    issue("legacy", ["-newkey", "rsa:1024"], "-sha1", 90)
    return pki


NGINX = """daemon off;
worker_processes 1;
pid {base}/nginx-{name}.pid;
error_log {base}/logs/nginx-{name}-error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {base}/nginx-tmp; proxy_temp_path {base}/nginx-tmp; fastcgi_temp_path {base}/nginx-tmp;
    uwsgi_temp_path {base}/nginx-tmp; scgi_temp_path {base}/nginx-tmp;
    server {{
        listen 127.0.0.1:{port} ssl;
        {listen6}
        ssl_certificate {base}/pki/{name}.pem;
        ssl_certificate_key {base}/pki/{name}.key;
        {tls}
        return 200 "{name}\\n";
    }}
}}
"""

NGINX_TLS = {
    "modern": """ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256;
        ssl_prefer_server_ciphers on;
        ssl_ecdh_curve prime256v1:secp384r1;""",
    # RSA key transport alone: no forward secrecy. SECLEVEL=0 lets OpenSSL 3 speak TLS 1.0 with RSA-1024.
    "legacy": """ssl_protocols TLSv1 TLSv1.1 TLSv1.2;
        ssl_ciphers AES128-SHA:AES256-SHA:@SECLEVEL=0;
        ssl_prefer_server_ciphers on;""",
}


def write_nginx(base, name, port, ipv6):
    path = base / f"nginx-{name}.conf"
    path.write_text(NGINX.format(base=base, name=name, port=port, tls=NGINX_TLS[name],
                                 listen6=f"listen [::1]:{port} ssl;" if ipv6 else ""))
    return path


COLLECTD = """Hostname "{host}"
FQDNLookup false
Interval {interval}
BaseDir "{base}"
PIDFile "{base}/collectd-{name}.pid"
PluginDir "{base}/plugins"
TypesDB "/usr/share/collectd/types.db"
AutoLoadPlugin false
LoadPlugin logfile
<Plugin logfile>
    LogLevel info
    File "{base}/logs/collectd-{name}.log"
    Timestamp true
    PrintSeverity true
</Plugin>
LoadPlugin cpu
LoadPlugin csv
<Plugin csv>
    DataDir "{base}/csv-{name}"
    StoreRates false
</Plugin>
{plugins}
"""

AGENCY_PLUGINS = """LoadPlugin posture_kafka
<Plugin posture_kafka>
    WorkerDir "{libexec}"
    User "{kafka_user}"
    SpoolSocket "{base}/run/{name}.sock"
    SpoolDir "{base}/spool-{name}"
    Agency "{agency}"
    Reporter "{host}"
    Brokers "127.0.0.1:{kafka}"
    Security plaintext
</Plugin>
LoadPlugin posture_crypto
<Plugin posture_crypto>
    WorkerDir "{libexec}"
    User "{user}"
    SpoolSocket "{base}/run/{name}.sock"
    TrustStore "{base}/pki/ca.pem"
    Interval 60
{endpoints}</Plugin>
"""

CENTRE_PLUGINS = """LoadPlugin posture_criteria
<Plugin posture_criteria>
    WorkerDir "{libexec}"
    User "{user}"
    Brokers "127.0.0.1:{kafka}"
    Security plaintext
    Registry "{base}/registry.json"
    Listen "{listen}"
</Plugin>
"""


def subjects(agency, ports, ipv6):
    port = ports[agency["node"]][0]
    return [f"tls://127.0.0.1:{port}"] + ([f"tls://[::1]:{port}"] if ipv6 else [])


def write_registry(base, ports, ipv6):
    registry = {"schema": "posture.registry/1", "max_interval_s": {"tls": 86400}, "agencies": [
        {"id": a["id"], "name": a["name"], "area": a["area"], "class": a["class"], "sector": None,
         "keys": [], "max_subjects": 1000,
         "inventory": [{"kind": "tls", "subject": s} for s in subjects(a, ports, ipv6)], "exceptions": []}
        for a in AGENCIES]}
    (base / "registry.json").write_text(json.dumps(registry, ensure_ascii=False, indent=1))


def write_collectd(base, name, host, plugins):
    path = base / f"collectd-{name}.conf"
    path.write_text(COLLECTD.format(base=base, name=name, host=host, interval=10, plugins=plugins))
    return path


def gather_plugins(base):
    """collectd loads from one folder and takes no links: its own plugins and ours, copied. Workers and data too: their
    users may not be able to enter the checkout (it often lies below /root)."""
    shutil.copytree(INSTALLED, base / "installed")
    folder = base / "plugins"
    folder.mkdir()
    for name in ("logfile", "cpu", "csv"):
        source = COLLECTD_PLUGINS / f"{name}.so"
        if not source.exists():
            raise Problem(f"{source} is missing: is package collectd-core installed?")
        shutil.copy(source, folder)
    for source in (INSTALLED / "lib" / "collectd").glob("*.so"):
        shutil.copy(source, folder)


def listen_address(ipv6, port):
    return f"[::1]:{port}" if ipv6 else f"127.0.0.1:{port}"


def fetch_json(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


def agency_rows(model):
    rows = {}
    for evaluation in model.get("evaluations", []):
        scope = evaluation["scope"]
        if scope["type"] == "agency":
            rows[(scope["id"], evaluation["criterion"])] = evaluation
    return rows


def logged_errors(base, lines=8):
    """What the collectds have to say when something does not come."""
    found = [f"    {path.stem}: {line}" for path in sorted((base / "logs").glob("collectd-*.log"))
             for line in path.read_text(errors="replace").splitlines() if "[error]" in line]
    return "".join("\n" + line for line in found[:lines])


def wait_for(processes, what, seconds, probe):
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        processes.check()
        try:
            result = probe()
            if result:
                return result
        except (OSError, ValueError, KeyError, urllib.error.URLError) as error:
            last = error
        time.sleep(0.25)
    raise Problem(f"{what} did not come within {seconds} s" + (f" ({last})" if last else ""))


def evaluated(url):
    """The model, once every agency has fresh reports of everything that it is expected to have."""
    model = fetch_json(url)
    rows = agency_rows(model)
    for agency, criteria in EXPECTED.items():
        for criterion in criteria:
            row = rows.get((agency, criterion))
            if not row or row.get("coverage") != 1.0:
                return None
    return model


def wrong(model):
    rows = agency_rows(model)
    return [f"{agency} {criterion}: achieved {rows[(agency, criterion)]['achieved']}, expected {value}"
            for agency, criteria in EXPECTED.items() for criterion, value in criteria.items()
            if rows[(agency, criterion)]["achieved"] != value]


def print_table(model, lang):
    titles = {c["id"]: c["title"][lang] for c in model["catalogue"]["criteria"]}
    names = {a["id"]: a["name"][lang] for a in model["registry"]["agencies"]}
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def paint(text, code):
        return f"\033[{code}m{text}\033[0m" if colour else text

    def percent(value):
        return "   -" if value is None else f"{value * 100:3.0f}%"

    words = {"en": {"met": ("met", "32"), "not_met": ("NOT MET", "31"), "unmeasured": ("unmeasured", "33")},
             "ja": {"met": ("達成", "32"), "not_met": ("未達", "31"), "unmeasured": ("未計測", "33")}}[lang]
    print()
    head = {"en": ("achieved", "target", "coverage"), "ja": ("達成", "目標", "測定")}[lang]
    for agency, name in names.items():
        print(paint(f"{name}  ({agency})", "1"))
        print(f"    {head[0]:>8}  {head[1]:>6}  {head[2]:>8}")
        for (scope, criterion), row in sorted(agency_rows(model).items()):
            if scope != agency:
                continue
            word, code = words.get(row["status"], (row["status"], "33"))
            print(f"    {percent(row['achieved']):>8}  {percent(row['target']):>6}  {percent(row['coverage']):>8}  "
                  f"{paint(f'{word:<10}', code)}  {titles.get(criterion, criterion)}")
        print()


def prometheus_config(base, ipv6, ports):
    text = (TOP / "dashboards" / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("[::1]:9475", listen_address(ipv6, ports["centre"][0]))
    # Nobody who watches for the first time wants to wait for the operational interval.
    text = re.sub(r"(scrape_interval|evaluation_interval): *\w+", r"\1: 5s", text)
    text = re.sub(r"scrape_timeout: *\w+", "scrape_timeout: 4s", text)
    folder = base / "prometheus"
    folder.mkdir()
    (folder / "prometheus.yml").write_text(text)
    shutil.copytree(TOP / "dashboards" / "prometheus" / "rules", folder / "rules")
    return folder / "prometheus.yml"


def start_all(base, ports, processes):
    ipv6 = has_ipv6()
    for name in ("logs", "run", "nginx-tmp"):
        (base / name).mkdir()
    user = worker_user("posture")
    kafka_user = worker_user("posture-kafka")
    gather_plugins(base)
    make_certificates(base)
    write_registry(base, ports, ipv6)
    values = {"base": base, "libexec": base / "installed" / "libexec" / "posture", "user": user.pw_name,
              "kafka_user": kafka_user.pw_name, "kafka": ports["kafka"][0],
              "listen": listen_address(ipv6, ports["centre"][0])}

    say("nginx: one modern, one legacy")
    for agency in AGENCIES:
        config = write_nginx(base, agency["node"], ports[agency["node"]][0], ipv6)
        processes.start(f"nginx ({agency['node']})", ["/usr/sbin/nginx", "-c", str(config), "-e",
                        f"{base}/logs/nginx-{agency['node']}-error.log"],
                        base / "logs" / f"nginx-{agency['node']}.log", stop_signal=signal.SIGTERM)

    say("Kafka broker")
    processes.start_broker(base / "kafka", ports)

    say("the centre: collectd with posture_criteria")
    config = write_collectd(base, "centre", "centre.example", CENTRE_PLUGINS.format(**values))
    collectd = ["/usr/sbin/collectd", "-f", "-C"]
    processes.start("collectd (centre)", [*collectd, str(config)], base / "logs" / "collectd-centre.out")

    say("two agencies: collectd with posture_crypto and posture_kafka")
    for agency in AGENCIES:
        name = agency["node"]
        spool = base / f"spool-{name}"
        spool.mkdir(mode=0o700)
        os.chown(spool, kafka_user.pw_uid, kafka_user.pw_gid)
        endpoints = "".join(f'    <Endpoint "{s}">\n        ServerName "{name}.example"\n    </Endpoint>\n'
                            for s in subjects(agency, ports, ipv6))
        host = f"noc.{agency['id']}.example"
        plugins = AGENCY_PLUGINS.format(**values, name=name, agency=agency["id"], host=host, endpoints=endpoints)
        config = write_collectd(base, name, host, plugins)
        processes.start(f"collectd ({name})", [*collectd, str(config)], base / "logs" / f"collectd-{name}.out")

    say("Prometheus")
    config = prometheus_config(base, ipv6, ports)
    processes.start("Prometheus", ["/usr/bin/prometheus", f"--config.file={config}",
                    f"--storage.tsdb.path={base}/prometheus/data",
                    f"--web.listen-address={listen_address(ipv6, ports['prometheus'][0])}"],
                    base / "logs" / "prometheus.log")

    centre = f"http://{values['listen']}"
    say("waiting until both agencies are evaluated")
    model = wait_for(processes, "the evaluation", 120, lambda: evaluated(f"{centre}/evaluations.json"))
    prometheus = f"http://{listen_address(ipv6, ports['prometheus'][0])}"
    query = f"{prometheus}/api/v1/query?query=posture_criterion_achieved_ratio"
    wait_for(processes, "the first scrape by Prometheus", 60,
             lambda: fetch_json(query)["data"]["result"])
    return model, centre, prometheus


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="contrib/quickstart", description="Two agencies measured and evaluated on this machine.",
        epilog="ports: " + ", ".join(f"{name}={port} ({what})" for name, (port, what) in PORTS.items()))
    parser.add_argument("--once", action="store_true",
                        help="end by itself; status 0 only if the evaluation is there and right")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=NUMBER", help="use another port")
    parser.add_argument("--lang", choices=("en", "ja"), default="ja" if os.environ.get("LANG", "").startswith("ja")
                        else "en", help="language of the printed table")
    parser.add_argument("--keep", action="store_true", help="keep the folder with configuration and logs")
    parser.add_argument("--began", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    ports = dict(PORTS)
    for text in arguments.port:
        name, _, number = text.partition("=")
        if name not in ports or not number.isdigit() or not 1 <= int(number) <= 65535:
            parser.error(f"--port {text}: expected NAME=NUMBER with NAME one of {', '.join(ports)}")
        ports[name] = (int(number), ports[name][1])
    return arguments, ports


def main():
    global OFFSET
    arguments, ports = parse_arguments()
    OFFSET = arguments.began
    # Terminate like Ctrl-C: everything that was started ends.
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    base = pathlib.Path(tempfile.mkdtemp(prefix="posture-quickstart.", dir="/var/tmp"))
    base.chmod(0o755)
    processes = Processes()
    status = 1
    try:
        check_ports(ports)
        model, centre, prometheus = start_all(base, ports, processes)
        print_table(model, arguments.lang)
        if not arguments.once:  # with --once they are gone in a moment
            print(f"page        {centre}/")
            print(f"metrics     {centre}/metrics")
            print(f"Prometheus  {prometheus}/")
        if not arguments.once or arguments.keep:
            print(f"values      {base}/csv-modern/   (what every collectd writer gets)")
            print(f"logs        {base}/logs/")
        differences = wrong(model)
        for line in differences:
            print(f"quickstart: WRONG: {line}", file=sys.stderr)
        status = 1 if differences else 0
        say(f"both agencies are evaluated{'' if differences else ', as expected'}")
        if not arguments.once:
            print("Ctrl-C ends everything.", flush=True)
            while True:
                time.sleep(1)
                processes.check()
    except Problem as problem:
        print(f"quickstart: {problem}{logged_errors(base)}", file=sys.stderr)
        if processes.running:
            print(f"quickstart: logs are kept in {base}/logs", file=sys.stderr)
            arguments.keep = True
        status = 1
    except KeyboardInterrupt:
        print()
        say("stopping")
        status = 0 if not arguments.once else 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        processes.stop()
        if not arguments.keep:
            shutil.rmtree(base, ignore_errors=True)
    say("nothing is left running")
    return status


if __name__ == "__main__":
    sys.exit(main())
