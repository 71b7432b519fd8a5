# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""contrib/kafka: clear words where a broker cannot be had, topics made and checked."""
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import kafka  # noqa: E402

TOPICS = kafka.BUILD / "plugins/posture_kafka/posture-topics"
LIST = kafka.TOP / "contrib/kafka/topics.conf"


def run(*command, **options):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, **options)


def test_port_in_use(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        done = run(kafka.BROKER, "start", "--dir", tmp_path / "b", "--port", port)
    assert done.returncode == 1 and f"port {port} of 127.0.0.1 is in use" in done.stderr


def test_java_is_missing(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "sed", "dirname", "readlink", "mkdir", "cat", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    done = run(kafka.BROKER, "start", "--dir", tmp_path / "b", env={"PATH": str(tools), "HOME": str(tmp_path)})
    assert done.returncode == 1 and "java is missing" in done.stderr and "openjdk-17" in done.stderr


@pytest.mark.parametrize("arguments, expected", [
    (("start",), "--dir is missing"),
    (("start", "--dri", "x"), "unknown argument --dri"),
    (("start", "--dir"), "needs a value"),
    (("start", "--dir", "D", "--tls-port", "1"), "--tls-port needs --certs"),
])
def test_usage(tmp_path, arguments, expected):
    done = run(kafka.BROKER, *arguments, cwd=tmp_path)
    assert done.returncode == 1 and expected in done.stderr


def test_list_is_read_strictly(tmp_path):
    bad = tmp_path / "bad.conf"
    bad.write_text("# fine\nreports.v1 many\n")
    done = run(TOPICS, "--brokers", "127.0.0.1:1", bad)
    assert done.returncode == 1 and f"{bad}:2:" in done.stderr


def test_no_broker_is_said():
    done = run(TOPICS, "--brokers", "127.0.0.1:1", "--property", "socket.timeout.ms=1000", LIST)
    assert done.returncode == 1 and "brokers:" in done.stderr


@pytest.mark.skipif(not kafka.java_is_here(), reason="no Java")
def test_topics_are_made_and_checked(tmp_path):
    broker = kafka.Broker(tmp_path / "b", partitions=6)
    try:
        broker.start(topics=False)
        first = run(TOPICS, "--brokers", broker.bootstrap, "--partitions", 6, LIST)
        again = run(TOPICS, "--brokers", broker.bootstrap, "--partitions", 6, LIST)
        assert first.returncode == 0 and "9 topics, 9 created" in first.stdout
        assert again.returncode == 0 and "9 topics, 0 created" in again.stdout
        other = run(TOPICS, "--brokers", broker.bootstrap, "--partitions", 12, LIST)
        assert other.returncode == 1 and "posture.state.v1: has 6 partitions, expected 12" in other.stderr
        wrong = tmp_path / "wrong.conf"
        wrong.write_text("reports.v1 N cleanup.policy=compact\n")
        done = run(TOPICS, "--brokers", broker.bootstrap, "--partitions", 6, wrong)
        assert done.returncode == 1 and "cleanup.policy is delete, expected compact" in done.stderr
        assert run(kafka.BROKER, "start", "--dir", broker.directory).stderr.count("already running")
        assert run(kafka.BROKER, "ready", "--port", broker.port,
                   env={**os.environ, "POSTURE_BUILD_DIR": str(kafka.BUILD)}).returncode == 0
    finally:
        broker.stop()
    assert run(kafka.BROKER, "status", "--dir", broker.directory).returncode == 1
