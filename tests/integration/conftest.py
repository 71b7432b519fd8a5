# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Folders of the tests. A worker runs as another user and must be able to enter them; pytest's own are closed to others
again by every session that starts, also by one that runs beside."""
import pathlib
import shutil
import tempfile

import pytest


class Folders:
    def __init__(self):
        self.made = []

    def mktemp(self, name, numbered=True):
        """Short paths: a Unix socket's holds 107 bytes."""
        path = pathlib.Path(tempfile.mkdtemp(prefix=f"posture-{name[:12]}."))
        path.chmod(0o755)
        self.made.append(path)
        return path

    def remove(self):
        for path in self.made:
            shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def tmp_path_factory():
    folders = Folders()
    yield folders
    folders.remove()


@pytest.fixture
def tmp_path():
    folders = Folders()
    yield folders.mktemp("test")
    folders.remove()
