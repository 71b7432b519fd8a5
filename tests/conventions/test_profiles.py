# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Profiles against the tables that they build on: a misspelt name would be a rule that never applies."""

import json
import os
import pathlib
import subprocess

import pytest

PROGRAM = os.path.join(os.environ["POSTURE_BUILD_DIR"], "plugins/posture/posture")
SCHEMAS = pathlib.Path(os.environ["POSTURE_SOURCE_DIR"]) / "schemas"


def load(name):
    return json.loads((SCHEMAS / name).read_text("utf-8"))


SUITES = load("tls/suites.json")["suites"]
PROFILES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((SCHEMAS / "profiles").glob("*.json"))}

CLASSES = {c["class"]: c for c in load("classes.json")["classes"]}
VERSIONS = {"SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"}


def names_of(cls):
    """Every name that a row of this class may have; None: any."""
    entry = CLASSES[cls]
    if "table" not in entry and "names" not in entry:
        return None
    names = set(entry.get("names", []))
    if "column" in entry:
        rows = load(entry["table"])[pathlib.Path(entry["table"]).stem]
        names |= {row[entry["column"]] for row in rows}
    return names


@pytest.mark.parametrize("name", PROFILES)
def test_id_is_the_file_name(name):
    assert PROFILES[name]["id"] == name


@pytest.mark.parametrize("name", PROFILES)
def test_rows_name_what_the_tables_have(name):
    for row in PROFILES[name]["rows"]:
        known = names_of(row["class"])
        assert known is None or row["name"] == "*" or row["name"] in known, row


@pytest.mark.parametrize("name", PROFILES)
def test_types_name_what_the_tables_have(name):
    names = {s["name"] for s in SUITES}
    for kind in PROFILES[name].get("tls_types", {}).get("types", []):
        assert {v["name"] for v in kind["versions"]} <= VERSIONS
        for suites in kind["suites"]:
            assert set(suites["names"]) <= names
            assert len(set(suites["names"])) == len(suites["names"])


def test_numbers_of_suites_are_the_guideline_s():
    """GL-3001: 17 of TLS 1.2 in the high type, 37 in the recommended one (Camellia-GCM counted apart)."""
    high, recommended, exception = PROFILES["cryptrec-ls0001-2022r2"]["tls_types"]["types"]
    assert [t["id"] for t in (high, recommended, exception)] == ["high", "recommended", "exception"]
    assert len(high["suites"][1]["names"]) == 17
    assert len(recommended["suites"][1]["names"]) == 37
    assert set(high["suites"][1]["names"]) < set(recommended["suites"][1]["names"])
    for kind in (high, recommended, exception):
        assert len(kind["suites"][0]["names"]) == 5


def test_the_readme_names_every_class_and_profile():
    """Whoever writes a profile has the README alone."""
    text = (SCHEMAS / "profiles" / "README.md").read_text("utf-8")
    for cls in CLASSES:
        assert f"`{cls}`" in text, cls
    for name in PROFILES:
        assert f"`{name}`" in text, name


def test_the_readme_s_example_loads(tmp_path):
    text = (SCHEMAS / "profiles" / "README.md").read_text("utf-8")
    example = tmp_path / "house-rules.json"
    example.write_text(text.split("```json\n")[1].split("```")[0], "utf-8")
    report = (SCHEMAS.parent / "tests" / "bench" / "data" / "report-2k.json").read_text("utf-8")
    line = json.dumps(json.loads(report)) + "\n"
    command = [PROGRAM, "judge", "--data-dir", str(SCHEMAS), "--profile", str(example)]
    done = subprocess.run(command, input=line.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    results = {r["check"]: r["result"] for r in json.loads(done.stdout)["results"]}
    assert results["tls.pq_hybrid"] == "na"
    assert results["tls.version"] in {"pass", "warn", "fail"}

    # A slip of the pen is refused before anything is judged, with the row.
    example.write_text(example.read_text("utf-8").replace('"TLSv1.2"', '"TLS1.2"'), "utf-8")
    done = subprocess.run(command, input=line.encode(), capture_output=True, check=False)
    assert done.returncode == 2 and done.stdout == b""
    said = done.stderr.decode()
    assert "house-rules.json" in said and 'rows[1] (version TLS1.2): name "TLS1.2"' in said
    assert 'did you mean "TLSv1.2"?' in said
