# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The host object in the real collectd, with the worker of tests/support/echo."""
import os
import pathlib
import pwd
import signal
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
from collectd import Collectd, children_of, status_of, wait_for  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: workers change their user")
NOBODY = pwd.getpwnam("nobody")
TARGET = 'Interval 1\n<Target "echo://a">\n</Target>\n'


def cpu_goes_on(collectd):
    """Values of cpu that are newer than now."""
    now = time.time()
    wait_for(lambda: any(when > now for _, when, _ in collectd.values("cpu")), 15, "newer cpu value")


@pytest.mark.parametrize("daemonise", [True, False])
def test_values_and_stop(daemonise):
    with Collectd(["cpu"], {"posture_echo": TARGET + 'Text "hello"\n'}) as collectd:
        collectd.start(daemonise=daemonise)
        name, _, numbers = collectd.wait_value("posture_echo", type="gauge", type_instance="echo.up")
        assert name == "posture_echo-echo:__a/gauge-echo.up"
        assert numbers == [1.0]
        collectd.wait_value("posture_echo", instance="", type_instance="worker_restarts")
        collectd.wait_log("posture_echo: hello")
        worker = collectd.worker("posture-echo")
        fields = status_of(worker)
        assert fields["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert fields["Gid"].split() == [str(NOBODY.pw_gid)] * 4
        assert fields["Groups"].strip() == ""
        assert fields["CapEff"] == "0" * 16
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"
        cpu_goes_on(collectd)
        assert collectd.stop() < 5
        assert not status_of(worker)
        assert not collectd.spool_socket.exists()


def test_worker_holds_nothing_of_collectd():
    with Collectd(["cpu"], {"posture_echo": TARGET}) as collectd:
        collectd.start()
        worker = collectd.worker("posture-echo")
        collectd.wait_value("posture_echo")
        kinds = [os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")]
        files = [kind for kind in kinds if kind.startswith("/")]
        assert set(files) == {"/dev/null"}, kinds
        assert sum(kind.startswith("socket:") for kind in kinds) == 1 + 0, kinds
        collectd.stop()


def test_one_round_for_a_check():
    with Collectd(["cpu"], {"posture_echo": TARGET}) as collectd:
        assert collectd.run("-T") == 0, collectd.messages()
        with pytest.raises(AssertionError):
            collectd.wait_log("posture_echo: worker", timeout=0)


@pytest.mark.parametrize("block, said", [
    ("Modus x", 'posture_echo: <Plugin posture_echo>: unknown option "Modus"; did you mean "Mode"?'),
    ('<Target "a">\nInterval 0\n</Target>', 'posture_echo: <Plugin posture_echo> <Target "a">: '
     'option Interval "0"; expected seconds from 1 to 86400'),
    ('User "no-such-user"', 'posture_echo: user "no-such-user" does not exist'),
    ('User "root"', 'posture_echo: user "root" is root; expected an unprivileged user'),
])
def test_bad_block_drops_only_this_plugin(block, said):
    with Collectd(["cpu"], {"posture_echo": block}) as collectd:
        collectd.start()
        collectd.wait_log(said)
        assert collectd.messages().count(said) == 1
        cpu_goes_on(collectd)
        assert collectd.children() == []
        assert collectd.values("posture_echo") == []
        assert collectd.stop() < 5


def test_missing_worker():
    with Collectd(["cpu"], {"posture_echo": TARGET}, workers=[]) as collectd:
        collectd.start()
        collectd.wait_log(f"'{collectd.worker_dir}/posture-echo': could not execute: No such file")
        cpu_goes_on(collectd)
        assert collectd.stop() < 5


def test_strict_keeps_collectd_from_starting():
    with Collectd(["cpu"], {"posture_echo": "Strict yes\nMode wrong"}) as collectd:
        assert collectd.run("-f") != 0
        assert 'option Mode "wrong"; expected one of values, who' in collectd.messages()


def test_without_a_block_nothing_starts():
    with Collectd(["cpu"], {"posture_echo": None}) as collectd:
        collectd.start()
        cpu_goes_on(collectd)
        assert collectd.children() == []
        assert collectd.values("posture_echo") == []
        assert collectd.stop() < 5


def test_killed_worker_is_started_again():
    with Collectd(["cpu"], {"posture_echo": TARGET}) as collectd:
        pid = collectd.start(daemonise=True)
        for count in (1, 2):
            worker = collectd.worker("posture-echo")
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: not status_of(worker), what="end of the worker")
            collectd.wait_value("posture_echo", instance="", type_instance="worker_restarts",
                                at_least=count)
            assert collectd.worker("posture-echo") != worker
            # A daemonised collectd ignores SIGCHLD: the kernel reaps, and nobody learns the status.
            assert f"posture-echo (pid {worker}) ended" in collectd.log()
        assert collectd.pid == pid and collectd.is_running()
        now = time.time()
        wait_for(lambda: collectd.values("posture_echo", type_instance="echo.up")[-1][1] > now,
                 what="newer value")
        assert collectd.stop() < 5


def test_exec_plugin_reaps_our_children():
    """collectd's exec plugin waits for every child of the process; ours end without a status then."""
    block = f'Exec "{NOBODY.pw_name}" "/bin/sleep" "0.3"'
    with Collectd({"cpu": None, "exec": block}, {"posture_echo": TARGET}) as collectd:
        collectd.start()
        for count in (1, 2):
            worker = collectd.worker("posture-echo")
            os.kill(worker, signal.SIGKILL)
            collectd.wait_value("posture_echo", instance="", type_instance="worker_restarts",
                                at_least=count)
        collectd.worker("posture-echo")
        assert collectd.stop() < 5


def test_deaf_worker_is_killed_at_the_end():
    with Collectd(["cpu"], {"posture_echo": TARGET + "Mode deaf\n"}) as collectd:
        collectd.start()
        collectd.wait_value("posture_echo")
        worker = collectd.worker("posture-echo")
        assert collectd.stop() < 8
        assert not status_of(worker)
        assert "did not stop within 5 s and is killed" in collectd.log()


@pytest.mark.parametrize("mode", ["garbage", "huge", "flood", "crash", "close"])
def test_hostile_worker_leaves_collectd_alone(mode):
    with Collectd(["cpu"], {"posture_echo": TARGET + f"Mode {mode}\n"}) as collectd:
        collectd.start()
        wait_for(lambda: "posture_echo: " in collectd.log(), what="a line about the worker")
        time.sleep(1.5)
        cpu_goes_on(collectd)
        lines = [line for line in collectd.log().splitlines() if "flood" in line]
        assert len(lines) <= 10 * 30
        assert collectd.stop() < 8


def test_collectd_without_privileges():
    with Collectd(["cpu"], {"posture_echo": TARGET},
                  owner=(NOBODY.pw_uid, NOBODY.pw_gid)) as collectd:
        collectd.start()
        collectd.wait_log("posture_echo: collectd is not root: the worker runs as the same user")
        collectd.wait_value("posture_echo", type_instance="echo.up")
        worker = collectd.worker("posture-echo")
        assert status_of(worker)["Uid"].split() == [str(NOBODY.pw_uid)] * 4
        assert collectd.stop() < 5


def test_files_reach_the_worker():
    with Collectd(["cpu"], {"posture_echo": ""}) as probe:
        folder = probe.directory / "private"
        folder.mkdir(mode=0o700)
        (folder / "log").write_text("a rotated log")
        (folder / "key").write_text("a credential")
        (folder / "key").chmod(0o600)
        block = f'Mode open\nFile "{folder}/log"\nSecretFile "{folder}/key"\n'
        with Collectd(["cpu"], {"posture_echo": block}) as collectd:
            collectd.start()
            collectd.wait_log("got 1: text a rotated log")
            collectd.wait_log("got 2: text a credential")
            collectd.wait_log("got listen: socket listening")
            collectd.wait_log("got spool: socket connected")
            assert collectd.spool_socket.stat().st_mode & 0o777 == 0o600
            assert collectd.stop() < 5


def test_children_of_names_only_children():
    assert os.getpid() in children_of(os.getppid())
