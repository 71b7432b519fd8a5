# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""collectd loads modules into one process: ours show module_register and need little."""
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ["POSTURE_BUILD_DIR"])
MODULES = sorted(BUILD.glob("plugins/*/posture_*.so"))
ALLOWED = {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1",
           "libasan.so.8", "libubsan.so.1", "libtsan.so.2"}


def test_there_are_modules():
    assert MODULES


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_exports(module):
    out = subprocess.run(["nm", "-D", "--defined-only", module], check=True, text=True,
                         capture_output=True).stdout
    assert {line.split()[-1] for line in out.splitlines()} == {"module_register"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_libraries(module):
    out = subprocess.run(["readelf", "-d", module], check=True, text=True,
                         capture_output=True).stdout
    needed = {line.split("[")[1].rstrip("]") for line in out.splitlines() if "(NEEDED)" in line}
    assert needed <= ALLOWED
