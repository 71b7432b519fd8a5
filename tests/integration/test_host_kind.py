# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Kind host on this very system: in a real collectd with its root helpers, and by hand."""

import contextlib
import json
import math
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from collectd import Collectd, built  # noqa: E402

IS_ROOT = os.getuid() == 0
USER = "nobody" if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name
WORKERS = ["posture-crypto", "posture-dm-table"]
FOLDER = pathlib.Path("/run/sshd")


@contextlib.contextmanager
def sshd_folder():
    """sshd wants it even to say its settings; where no service manager has made it, we do."""
    is_ours = IS_ROOT and not FOLDER.exists()
    if is_ours:
        FOLDER.mkdir(mode=0o755)
    try:
        yield
    finally:
        if is_ours:
            FOLDER.rmdir()


def value(collectd, check):
    """The newest value of a check."""
    collectd.wait_value("posture_crypto", type_instance=check, timeout=30)
    return collectd.values("posture_crypto", type_instance=check)[-1][2][0]


def probe(*arguments):
    done = subprocess.run([built("posture"), "probe", "--format", "json", *(["--user", USER] if IS_ROOT else []),
                           "host://localhost", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def results(report):
    return {result["check"]: result for result in report["results"]}


def sshd_says():
    out = subprocess.run(["/usr/sbin/sshd", "-T"], capture_output=True, text=True, check=True).stdout
    return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)


@pytest.mark.skipif(not IS_ROOT, reason="sshd -T is run as root")
def test_sshd_through_the_root_helper():
    with sshd_folder(), Collectd(["cpu"], {"posture_crypto": "<Host localhost>\n</Host>\n"}, workers=WORKERS, user=USER) as collectd:
        said = sshd_says()
        collectd.start()
        login = value(collectd, "host.sshd.login")
        assert not math.isnan(login), collectd.log()
        if said["passwordauthentication"] == "yes":
            assert login in (0, 0.5)
        assert not math.isnan(value(collectd, "host.openssl"))
        assert not math.isnan(value(collectd, "host.time"))  # adjtimex within the sandbox
        collectd.wait_value("cpu")
        assert "helper" not in collectd.log() and "sshd failed" not in collectd.log()
        collectd.stop()


@pytest.mark.skipif(not IS_ROOT or FOLDER.exists(), reason="sshd must refuse")
def test_sshd_that_says_nothing_is_unknown_and_said_once():
    with Collectd(["cpu"], {"posture_crypto": "<Host localhost>\nInterval 2\n</Host>\n"}, workers=WORKERS, user=USER) as collectd:
        collectd.start()
        assert math.isnan(value(collectd, "host.sshd.login"))
        collectd.wait_log("sshd failed: Missing privilege separation directory")
        collectd.wait_value("posture_crypto", type_instance="probes", at_least=3, timeout=30)
        assert collectd.log().count("sshd failed") == 1
        assert not math.isnan(value(collectd, "host.openssl"))
        collectd.stop()


def test_backup_stamps_within_the_sandbox(tmp_path):
    """Read where they are, beyond the folders that every worker may see; the oldest counts."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="posture-stamps-", dir="/srv" if IS_ROOT else tmp_path))
    folder.chmod(0o755)
    stamp = folder / "done"
    stamp.write_text("")
    block = f'<Host localhost>\nInterval 2\nBackupStamp "{stamp}"\nBackupStamp "{folder}/second"\n</Host>\n'
    try:
        (folder / "second").write_text("")
        with Collectd(["cpu"], {"posture_crypto": block}, workers=WORKERS, user=USER) as collectd:
            collectd.start()
            assert value(collectd, "host.backup") == 1, collectd.log()
            ago = time.time() - 30 * 86400
            os.utime(folder / "second", (ago, ago))
            deadline = time.monotonic() + 30
            while collectd.values("posture_crypto", type_instance="host.backup")[-1][2][0] != 0:
                assert time.monotonic() < deadline, collectd.log()
                time.sleep(0.2)
            collectd.stop()
    finally:
        shutil.rmtree(folder)


def test_by_hand_says_what_it_may_not_see():
    report = probe()
    assert report["kind"] == "host" and report["subject"] == f"host://{os.uname().nodename.lower()}"
    facts = report["facts"]["host"]
    assert facts["os"]["kernel"] == os.uname().release
    if facts["sshd"]["installed"]:
        assert facts["errors"]["sshd"]["code"] == "denied"
        assert results(report)["host.sshd.login"]["result"] == "unknown"


def test_a_tree_of_files(tmp_path):
    """With Root nothing is asked of the running system, and nothing outside the tree is read."""
    os.chmod(tmp_path, 0o755)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and folder not in (pathlib.Path("/tmp"), pathlib.Path("/")):
            folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "etc/ssl").mkdir(parents=True)
    (tmp_path / "etc/os-release").write_text('ID=other\nVERSION_ID="7"\n')
    (tmp_path / "etc/ssl/openssl.cnf").symlink_to("/../../../../../../etc/passwd")
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/sshd").write_text("")
    facts = probe("--root", str(tmp_path))["facts"]["host"]
    assert facts["os"] == {"id": "other", "version": "7"}
    assert "config" not in facts["openssl"]
    assert facts["errors"]["sshd"]["code"] == "elsewhere"


def installed():
    """Packages that dpkg says are installed."""
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Architecture} ${Version} ${db:Status-Status}\\n"],
                         capture_output=True, text=True, check=True).stdout
    return {(name, arch): version for name, arch, version, status in map(str.split, out.splitlines()) if status == "installed"}


def test_updates_of_this_system():
    """Real lists of apt's, where there are any: what is pending is installed, older by dpkg's own word, and all that apt shows."""
    facts = probe()["facts"]["host"]
    updates = facts["updates"]
    if "pending" not in updates:
        assert facts["errors"]["updates.lists"]["code"] == "absent"
        return
    packages = installed()
    for entry in updates["pending"]:
        assert packages[entry["package"], entry["architecture"]] == entry["installed"]
        subprocess.run(["dpkg", "--compare-versions", entry["installed"], "lt", entry["available"]], check=True)
    if "truncated" in updates:
        return
    shown = subprocess.run(["apt", "list", "--upgradable"], capture_output=True, text=True, check=True).stdout
    wanted = {line.split("/")[0] for line in shown.splitlines() if "-security" in line.split(" ")[0]}
    assert wanted <= {entry["package"] for entry in updates["pending"]}


def test_what_runs_and_listens(tmp_path):
    """A process and a socket of this very system."""
    with socket.socket() as listener:
        with contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", 4662))
            listener.listen()
        program = tmp_path / "amuled"
        program.symlink_to("/bin/sleep")
        sleeper = subprocess.Popen([program, "60"])  # noqa: S603
        try:
            report = probe()
        finally:
            sleeper.terminate()
            sleeper.wait()
    found = {entry["name"]: entry for entry in report["facts"]["host"]["file_sharing"]["software"]}
    assert found["aMule"]["processes"] == [f"amuled ({sleeper.pid})"]
    assert "tcp/4662" in found["eMule"]["ports"]
    result = results(report)["host.file_sharing"]
    assert (result["result"], result["code"]) == ("fail", "host.file_sharing.running") and "aMule" in result["args"]["items"]


def test_another_host_is_refused():
    done = subprocess.run([built("posture"), "probe", "host://elsewhere.example"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "a host measures itself" in done.stderr
