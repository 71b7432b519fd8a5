# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Runs the real collectd in a folder of its own, for tests.

    with Collectd(["cpu"], {"posture_crypto": 'Trust "/etc/…"\\n<Endpoint …>…'}) as collectd:
        collectd.start()                        # in the foreground; daemonise=True forks
        collectd.wait_value("posture_crypto", type_instance="tls.version")
        collectd.stop()

Modules and workers are copied from the build: collectd refuses symbolic links, and a worker's user
may not be able to enter the build folder. Values are read from plugin csv, the log from plugin logfile.
"""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", "build/dev")).resolve()
SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", ".")).resolve()
SANITIZE = os.environ.get("POSTURE_SANITIZE", "")
STOCK = pathlib.Path("/usr/lib/collectd")
DAEMON = shutil.which("collectd") or "/usr/sbin/collectd"


def built(name):
    """Path of a file that the build made, by its name."""
    found = [p for p in BUILD.glob(f"**/{name}") if p.is_file()]
    assert found, f"{name} is not in {BUILD}: build it first"
    return found[0]


def daemon_environment():
    env = dict(os.environ)
    if "address" in SANITIZE:
        runtime = subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, text=True,
                                 capture_output=True).stdout.strip()
        env["LD_PRELOAD"] = runtime
        env["ASAN_OPTIONS"] = "detect_leaks=0"  # collectd's own
    return env


def status_of(pid):
    """Fields of /proc/PID/status; None when the process is gone or a zombie."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return None if fields.get("State", "Z").startswith("Z") else fields


def children_of(pid):
    """Process ids whose parent is pid."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = status_of(entry.name)
            if fields and int(fields["PPid"]) == pid:
                found.append(int(entry.name))
    return found


def wait_for(condition, timeout=15, what="condition"):
    """The first true value of condition(), asked every 50 ms."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"{what}: not within {timeout} s"
        time.sleep(0.05)


class Collectd:
    """plugins: stock plugins to load, a list of names or a dict of name to block text. posture: a dict of our
    plugins, name to block text (None: no block). workers: file names below WorkerDir; {name: file} to
    rename; default those of the plugins. config: text for the end of collectd.conf."""

    def __init__(self, plugins=(), posture=None, *, config="", interval=1, workers=None, user="nobody",
                 hostname="test.example", owner=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="posture-collectd-"))
        self.directory.chmod(0o755)
        self.process = None
        self.pid = None
        self.owner = owner  # uid and gid that the daemon itself runs as
        self.hostname = hostname
        self.worker_dir = self.directory / "libexec"
        self.worker_dir.mkdir()
        self.spool_socket = self.directory / "run" / "spool.sock"
        self.csv = self.directory / "csv"
        self.log_file = self.directory / "collectd.log"
        self.pid_file = self.directory / "collectd.pid"
        self.stderr_file = self.directory / "stderr"
        posture = posture or {}
        plugins = plugins if isinstance(plugins, dict) else dict.fromkeys(plugins)
        self._copy(plugins, posture, workers)
        self._write(plugins, posture, config, interval, user)
        if owner:
            for root, folders, files in os.walk(self.directory):
                for name in [".", *folders, *files]:
                    os.chown(os.path.join(root, name), *owner)

    def _copy(self, plugins, posture, workers):
        modules = self.directory / "modules"
        modules.mkdir()
        for name in {"logfile", "csv", *plugins}:
            shutil.copy(STOCK / f"{name}.so", modules)
        for name in posture:
            shutil.copy(built(f"{name}.so"), modules)
        if workers is None:
            workers = [name.replace("_", "-") for name in posture]
        for name in workers:
            target = self.worker_dir / name
            shutil.copy(built(workers[name] if isinstance(workers, dict) else name), target)
            target.chmod(0o755)

        # The worker's user may not be able to enter the checkout.
        shutil.copytree(SOURCE / "schemas", self.directory / "schemas")

    def _write(self, plugins, posture, config, interval, user):
        lines = [
            f'Hostname "{self.hostname}"', "FQDNLookup false",
            f'BaseDir "{self.directory}"', f'PIDFile "{self.pid_file}"',
            f'PluginDir "{self.directory}/modules"',
            'TypesDB "/usr/share/collectd/types.db"', f"Interval {interval}",
            "LoadPlugin logfile",
            f'<Plugin logfile>\n LogLevel info\n File "{self.log_file}"\n Timestamp true\n'
            " PrintSeverity true\n</Plugin>",
            "LoadPlugin csv",
            f'<Plugin csv>\n DataDir "{self.csv}"\n StoreRates false\n</Plugin>',
        ]
        for name, block in plugins.items():
            lines.append(f"LoadPlugin {name}")
            if block:
                lines.append(f"<Plugin {name}>\n{block}\n</Plugin>")
        for name, block in posture.items():
            lines.append(f"LoadPlugin {name}")
            if block is not None:
                lines.append(f'<Plugin {name}>\n WorkerDir "{self.worker_dir}"\n'
                             f' SpoolSocket "{self.spool_socket}"\n DataDir "{self.directory}/schemas"\n'
                             + ("" if "User " in block else f' User "{user}"\n')
                             + f"{block}\n</Plugin>")
        lines.append(config)
        (self.directory / "collectd.conf").write_text("\n".join(lines) + "\n")

    def _command(self, *options):
        return [DAEMON, "-C", str(self.directory / "collectd.conf"), *options]

    def _popen(self, options):
        user = {}
        if self.owner:
            user = {"user": self.owner[0], "group": self.owner[1], "extra_groups": []}
        with open(self.stderr_file, "ab") as errors:
            return subprocess.Popen(self._command(*options), env=daemon_environment(),
                                    stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                    cwd="/", **user)

    def start(self, daemonise=False):
        """Starts the daemon and waits until its plugins are initialised."""
        self.process = self._popen([] if daemonise else ["-f"])
        self.pid = self.process.pid
        if daemonise:
            assert self.process.wait(timeout=20) == 0, self.messages()
            self.process = self.pid = None

            def written():
                try:
                    return int(self.pid_file.read_text())
                except (FileNotFoundError, ValueError):
                    return None
            self.pid = wait_for(written, what="PID file")

        def ready():
            assert self.is_running(), self.messages()
            return "Initialization complete" in self.log()
        wait_for(ready, what="initialisation")
        return self.pid

    def run(self, *options, timeout=60):
        """Runs the daemon to its end ("-T", or a start that is refused); its exit status."""
        return self._popen(list(options)).wait(timeout=timeout)

    def is_running(self):
        return self.pid is not None and status_of(self.pid) is not None

    def children(self):
        return children_of(self.pid)

    def worker(self, name, timeout=15):
        """Process id of the worker with that file name, once there is one."""
        def find():
            for pid in self.children():
                try:
                    if os.readlink(f"/proc/{pid}/exe") == str(self.worker_dir / name):
                        return pid
                except OSError:
                    pass
            return None
        return wait_for(find, timeout, f"worker {name}")

    def stop(self, timeout=15):
        """SIGTERM; waits for the end of the daemon and all its children; seconds it took."""
        if not self.is_running():
            return 0
        family = [self.pid, *self.children()]
        begin = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        if self.process:
            self.process.wait(timeout=timeout)
        wait_for(lambda: not any(status_of(p) for p in family), timeout, f"end of {family}")
        self.process = None
        return time.monotonic() - begin

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def messages(self):
        """Log and what was printed before there was one."""
        errors = self.stderr_file.read_text(errors="replace") if self.stderr_file.exists() else ""
        return errors + self.log()

    def wait_log(self, text, timeout=15):
        wait_for(lambda: text in self.messages(), timeout, f"'{text}' in the log")

    def values(self, plugin, instance=None, type=None, type_instance=None):
        """[(identifier, time, [numbers])] from csv, oldest first. identifier as in the folder's names:
        "plugin-instance/type-type_instance", slashes as underscores."""
        found = []
        top = self.csv / self.hostname
        for path in top.glob("*/*") if top.exists() else []:
            folder = path.parent.name
            name = path.name[:-len("-2000-01-01")]
            if folder.split("-", 1)[0] != plugin:
                continue
            if instance is not None and folder != (f"{plugin}-{instance}" if instance else plugin):
                continue
            if type is not None and name.split("-", 1)[0] != type:
                continue
            if type_instance is not None and name.split("-", 1)[1:] != [type_instance]:
                continue
            for line in path.read_text().splitlines()[1:]:
                when, *numbers = line.split(",")
                found.append((f"{folder}/{name}", float(when), [float(n) for n in numbers]))
        return sorted(found, key=lambda value: value[1])

    def wait_value(self, plugin, timeout=20, at_least=None, **which):
        """The last value that is there (and is at least so much)."""
        def find():
            found = self.values(plugin, **which)
            if found and (at_least is None or found[-1][2][0] >= at_least):
                return found[-1]
            return None
        return wait_for(find, timeout, f"value of {plugin} {which}")

    def close(self):
        try:
            if self.is_running():
                family = [self.pid, *self.children()]
                for pid in family:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                if self.process:
                    self.process.wait(timeout=10)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind:
            print(self.messages()[-8000:])
        self.close()
