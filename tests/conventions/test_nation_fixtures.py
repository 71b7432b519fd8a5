# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The documents that pages and boards are tested with are what their maker writes, and what the schema allows."""

import json
import os
import pathlib
import sys

import jsonschema
import pytest

SOURCE = pathlib.Path(os.environ.get("POSTURE_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
FIXTURES = SOURCE / "plugins/posture_criteria/testdata/nation"
sys.path.insert(0, str(SOURCE / "tests/support"))
import nation_make  # noqa: E402


def schema(name):
    return json.loads((SOURCE / "schemas" / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", nation_make.FIXTURES)
def test_fixture_is_what_its_maker_writes(name):
    assert (FIXTURES / f"{name}.json").read_text(encoding="utf-8") == nation_make.text(nation_make.make(name))


@pytest.mark.parametrize("name", ["nation", "quickstart"])
def test_fixture_is_what_the_schema_allows(name):
    documents = [json.loads(p.read_text(encoding="utf-8")) for p in (SOURCE / "schemas").rglob("*.schema.json")]
    store = {d["$id"]: d for d in documents if "$id" in d}
    nation = schema("nation.v1.schema.json")
    resolver = jsonschema.RefResolver(nation["$id"], nation, store=store)
    validator = jsonschema.Draft202012Validator(nation, resolver=resolver)
    errors = [f"{list(e.absolute_path)}: {e.message}" for e in
              validator.iter_errors(json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8")))]
    assert errors == []


@pytest.mark.parametrize("name", ["nation", "quickstart"])
def test_reasons_are_in_the_check_registry(name):
    """A fixture with codes that no check has would show pages that never occur."""
    checks = json.loads((SOURCE / "schemas/checks.json").read_text(encoding="utf-8"))
    text = json.dumps(checks)
    known = {c["id"] for c in checks["checks"]}
    for evaluation in nation_make.make(name)["evaluations"]:
        for item in evaluation["not_achieved"]:
            if "code" in item:
                assert item["check"] in known
                assert f'"{item["code"]}"' in text, item["code"]
