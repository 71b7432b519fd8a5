# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Tools from PyPI in a virtual environment of their own, build/bench-venv, made when first asked for."""

import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[3]
FOLDER = SOURCE / "build" / "bench-venv"
REQUIREMENTS = SOURCE / "tests" / "bench" / "requirements.txt"


def prepare():
    stamp = FOLDER / ".requirements"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    subprocess.run(["/usr/bin/python3", "-m", "venv", FOLDER], check=True)
    subprocess.run([FOLDER / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS], check=True)
    stamp.write_text(REQUIREMENTS.read_text())


def program(name):
    return str(FOLDER / "bin" / name)
