# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The quickstart as a person runs it, on ports of its own: its end, its messages, and that nothing is left behind."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import kafka  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = [str(TOP / "contrib" / "quickstart")]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the quickstart needs root")


def ports():
    names = ("modern", "legacy", "kafka", "controller", "centre", "prometheus")
    return [f"--port={name}={port}" for name, port in zip(names, kafka.free_ports(len(names)))]


def family(session):
    """Processes of what that quickstart started: their command lines name its folder. Not those of one that somebody on
    this machine had running before."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if session in text and entry.name not in EARLIER:
                found.append(f"{entry.name}: {text[:120]}")
    return found


EARLIER = set()
EARLIER = {line.split(":")[0] for line in family("posture-quickstart.")}


def folders():
    return set(pathlib.Path("/var/tmp").glob("posture-quickstart.*"))


def test_once_measures_and_evaluates_both_agencies_twice():
    for _ in range(2):
        before = folders()
        done = subprocess.run([*PROGRAM, "--once", *ports()], capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "both agencies are evaluated, as expected" in done.stdout
        assert "Example City (legacy)" in done.stdout and "NOT MET" in done.stdout
        assert folders() == before, "its folder is left"
        assert family("posture-quickstart.") == []


def test_a_checkout_that_only_root_may_enter(tmp_path):
    """As below /root: the workers' users cannot read it."""
    assert (TOP / "build" / "quickstart").is_dir(), "the test above builds it"
    tmp_path.chmod(0o700)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    # In a root folder that is no mount point, "/" cannot be made private: there it is so already.
    script = 'mount --make-rprivate / 2>/dev/null; mount --bind "$1" "$2" && cd "$2" && shift 2 && exec python3 contrib/dev/quickstart.py --once "$@"'
    done = subprocess.run(["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", script, "sh", str(TOP), str(checkout),
                           *ports()], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert family("posture-quickstart.") == []


def test_a_port_in_use_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = [a for a in ports() if "prometheus" not in a]
        done = subprocess.run([*PROGRAM, "--once", *arguments, f"--port=prometheus={port}"], capture_output=True,
                              text=True, timeout=280, check=False)
    assert done.returncode == 1
    assert f"port {port} (Prometheus) is in use" in done.stderr and "--port prometheus=NUMBER" in done.stderr
    assert family("posture-quickstart.") == []


@pytest.mark.parametrize("argument", ["--port=nosuch=1", "--port=kafka=70000", "--port=kafka"])
def test_a_bad_port_is_a_usage_error(argument):
    done = subprocess.run([sys.executable, str(TOP / "contrib/dev/quickstart.py"), argument], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == 2 and "expected NAME=NUMBER" in done.stderr


def test_ctrl_c_leaves_nothing_running(tmp_path):
    before = folders()
    with open(tmp_path / "out", "w+b") as out:
        process = subprocess.Popen([*PROGRAM, *ports()], stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + 240
        while b"Ctrl-C ends everything" not in (tmp_path / "out").read_bytes():
            assert process.poll() is None, (tmp_path / "out").read_text()
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            time.sleep(0.2)
        assert len(family("posture-quickstart.")) >= 5
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, (tmp_path / "out").read_text()
    assert family("posture-quickstart.") == []
    assert folders() == before
