# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""posture_crypto and posture_kafka in a real collectd: what the log says when something is set wrongly."""

import os
import pathlib
import pwd
import re
import shutil
import sys

import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "tests" / "support"))

from collectd import Collectd  # noqa: E402

USER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
ENDPOINT = '<Endpoint "tls://127.0.0.1:1">\n</Endpoint>\n'
BROKER = 'Agency "moj"\nBrokers "127.0.0.1:1"\nSecurity plaintext\n'


@pytest.fixture(name="spool")
def fixture_spool(tmp_path):
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder not in (pathlib.Path("/tmp"), pathlib.Path("/")):
            folder.chmod(folder.stat().st_mode | 0o011)
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(folder, USER)
    return folder


def test_spool_folder_that_others_read_is_named(spool):
    spool.chmod(0o755)
    with Collectd(["cpu"], {"posture_kafka": BROKER + f'SpoolDir "{spool}"\n'}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log(f"option SpoolDir: {spool}: expected owner")
        collectd.wait_value("cpu")
        assert "librdkafka" not in collectd.log()
        spool.chmod(0o700)  # put right: no restart of collectd is needed
        collectd.wait_log(f"spool '{spool}' holds 0 records", timeout=30)
        assert collectd.log().count("] posture_kafka: librdkafka") == 1
        collectd.stop()


def test_worker_that_refuses_its_settings_is_not_up(spool):
    with Collectd(["cpu"], {"posture_crypto": 'TrustStore "/nonexistent.pem"\n' + ENDPOINT}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log('option TrustStore "/nonexistent.pem": No such file or directory; expected')
        collectd.wait_value("posture_crypto", type_instance="worker_restarts", at_least=2)
        collectd.wait_value("cpu")
        assert {numbers[0] for _, _, numbers in collectd.values("posture_crypto", type_instance="worker_up")} == {0}
        assert collectd.log().count("refused its settings") == 1
        collectd.stop()


def test_missing_password_names_its_option(spool):
    block = (f'Agency "moj"\nBrokers "127.0.0.1:1"\nSecurity sasl_tls\nSASLUser "moj"\nSASLPasswordFile "{spool}/none"\n'
             f'SpoolDir "{spool}"\nUser "{USER}"\n')
    with Collectd(["cpu"], {"posture_kafka": block}, user=USER) as collectd:
        collectd.start()
        collectd.wait_log(f"option SASLPasswordFile: '{spool}/none': ")
        collectd.stop()


def test_another_spool_socket_is_said(spool):
    """Two plugins with different SpoolSocket: values come, reports cannot; the log says it once, and that it is over."""
    blocks = {"posture_kafka": BROKER + f'SpoolDir "{spool}"\n', "posture_crypto": ENDPOINT}
    with Collectd(["cpu"], blocks, user=USER) as collectd:
        conf = collectd.directory / "collectd.conf"
        before, kafka, crypto = re.split(r"(?=<Plugin posture_)", conf.read_text())
        other = collectd.directory / "run" / "other.sock"
        conf.write_text(before + kafka + crypto.replace(str(collectd.spool_socket), str(other)))
        collectd.start()
        collectd.wait_value("posture_crypto", type_instance="tls.version")
        collectd.wait_log(f'no spool answers at SpoolSocket "{other}"', timeout=30)
        other.symlink_to(collectd.spool_socket)
        collectd.wait_log("the spool answers: reports go out", timeout=60)
        assert collectd.log().count("no spool answers") == 1
        collectd.stop()


def test_a_spool_that_is_there_is_not_missed(spool):
    blocks = {"posture_crypto": ENDPOINT, "posture_kafka": BROKER + f'SpoolDir "{spool}"\n'}
    with Collectd(["cpu"], blocks, user=USER) as collectd:
        collectd.start()
        collectd.wait_value("posture_crypto", type_instance="reports_stored", at_least=1, timeout=30)
        assert "no spool answers" not in collectd.log()
        collectd.stop()
