# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Our schema checker gives the verdicts of python's jsonschema: on every example, on thousands of seeded
mutations of them, and on the JSON Schema Test Suite as far as it uses keywords that we have."""

import copy
import glob
import json
import os
import random
import subprocess

import jsonschema
import pytest

SOURCE = os.environ["POSTURE_SOURCE_DIR"]
CHECKER = os.path.join(os.environ["POSTURE_BUILD_DIR"], "plugins/common/report/posture_schema_check")
SCHEMAS = os.path.join(SOURCE, "schemas")
SUITE = "/usr/share/json-schema-test-suite/tests/draft7"
FILES = sorted(
    os.path.relpath(p, SCHEMAS) for p in glob.glob(SCHEMAS + "/**/*.schema.json", recursive=True)
)
DOCUMENTS = {name: json.load(open(os.path.join(SCHEMAS, name), encoding="utf-8")) for name in FILES}
STORE = {document["$id"]: document for document in DOCUMENTS.values()}


def run_checker(schemas, lines):
    """Verdict lines of the C side; lines are (index of the schema, document text)."""
    text = "".join(f"{index}\t{document}\n" for index, document in lines)
    done = subprocess.run([CHECKER, *schemas], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def ours(lines):
    """The same for our own schemas, by name."""
    return run_checker(
        [os.path.join(SCHEMAS, name) for name in FILES],
        [(FILES.index(name), document) for name, document in lines],
    )


def validator(name):
    schema = DOCUMENTS[name]
    resolver = jsonschema.RefResolver(schema["$id"], schema, store=STORE)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def schema_of(path):
    """report-x.json is judged by report.v1.schema.json."""
    return os.path.basename(path).split("-")[0].split(".")[0] + ".v1.schema.json"


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


VALID = sorted(glob.glob(SCHEMAS + "/examples/valid/*.json"))
INVALID = sorted(glob.glob(SCHEMAS + "/examples/invalid/*.json"))
BODIES = sorted(glob.glob(SOURCE + "/tests/bench/data/report-*.json"))
SHIPPED = [
    (path, name)
    for pattern, name in (
        ("checks.json", "checks.v1.schema.json"),
        ("classes.json", "classes.schema.json"),
        ("profiles/*.json", "profile.v1.schema.json"),
        ("criteria/*.json", "catalogue.v1.schema.json"),
        ("tls/suites.json", "tls/suites.schema.json"),
        ("tls/groups.json", "tls/groups.schema.json"),
        ("tls/signatures.json", "tls/signatures.schema.json"),
        ("tls/certificates.json", "tls/certificates.schema.json"),
        ("tls/primes.json", "tls/primes.schema.json"),
        ("tls/alpn.json", "tls/alpn.schema.json"),
        ("host/archives.json", "host/archives.schema.json"),
        ("host/backup.json", "host/software.schema.json"),
        ("host/file-sharing.json", "host/software.schema.json"),
        ("host/malware-protection.json", "host/software.schema.json"),
    )
    for path in sorted(glob.glob(os.path.join(SCHEMAS, pattern)))
]


def test_schemas_are_schemas():
    for name, document in DOCUMENTS.items():
        jsonschema.Draft202012Validator.check_schema(document)
        assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema", name
        assert document["$id"] == "https://posture.example/schemas/" + name
        assert document["title"] and document["description"], name


def walk(value, path=()):
    yield path, value
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(below, path + (key,))


def test_patterns_end_where_the_text_ends():
    """'$' alone lets a line end through in Python, Java and PCRE2."""
    for name, document in DOCUMENTS.items():
        for path, value in walk(document):
            if path and path[-1] == "pattern" and isinstance(value, str):
                assert value.startswith("^") and value.endswith("$(?!\n)".replace("\n", "\\n")), (name, path)


def test_texts_and_lists_of_reports_are_bounded():
    """Whatever an agency sends has an end: each string a length, a form or a set; each array a size."""
    for name in ("report.v1.schema.json", "facts/tls.schema.json", "facts/reporter.schema.json"):
        for path, value in walk(DOCUMENTS[name]):
            if not isinstance(value, dict) or "type" not in value or not isinstance(value.get("type"), (str, list)):
                continue
            if "string" in value["type"] and "enum" not in value:
                pattern = value.get("pattern", "*")
                assert "maxLength" in value or not ("+" in pattern or "*" in pattern), (name, path)
            if value["type"] == "array":
                assert "maxItems" in value, (name, path)


@pytest.mark.parametrize("path", VALID + BODIES, ids=os.path.basename)
def test_valid_examples(path):
    document = load(path)
    name = schema_of(path)
    assert ours([(name, json.dumps(document))]) == ["ok"]
    validator(name).validate(document)


@pytest.mark.parametrize("path,name", SHIPPED, ids=lambda v: os.path.relpath(v, SCHEMAS))
def test_shipped_files(path, name):
    document = load(path)
    assert ours([(name, json.dumps(document))]) == ["ok"]
    validator(name).validate(document)


@pytest.mark.parametrize("path", INVALID, ids=os.path.basename)
def test_invalid_examples(path):
    case = load(path)
    assert case["reason"].endswith(".")
    name = schema_of(path)
    errors = list(validator(name).iter_errors(case["instance"]))
    assert len(errors) == 1, "one rule broken each: " + "; ".join(error.message for error in errors)
    assert ours([(name, json.dumps(case["instance"]))]) == ["no\t" + case["says"]]


def test_there_are_enough_invalid_examples():
    assert len(INVALID) >= 30
    names = {schema_of(path) for path in INVALID}
    assert {"report.v1.schema.json", "registry.v1.schema.json", "catalogue.v1.schema.json"} <= names


POOL = [
    None, True, False, 0, 1, -1, 1.0, 1.5, 65535, 65536, 2**40, -(2**40), 1e300, "", "x", "tls", "pass", "日本語",
    "TLSv1.0", "a" * 70, "2026-11-23T08:00:00.123Z", "tls.version", [], [[]], ["x", "x"], {}, {"x": 1}, {"ja": "あ", "en": "a"},
]


def places(value):
    return [path for path, _ in walk(value)]


def change(rng, document):
    """One small change somewhere; the result may still be valid."""
    path = rng.choice(places(document))
    if not path:
        return rng.choice(POOL)
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    key, value = path[-1], parent[path[-1]]
    kind = rng.randrange(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 or value is None or isinstance(value, bool):
        parent[key] = copy.deepcopy(rng.choice(POOL))
    elif isinstance(value, str):
        parent[key] = rng.choice(
            [value + "\n", value + "é", value.upper(), value[:-1], value[1:], value * 40, value.swapcase(), value + " ", "\n" + value]
        )
    elif isinstance(value, (int, float)):
        parent[key] = rng.choice([value + 1, value - 1, -value, value * 1000000, float(value), value + 0.5])
    elif isinstance(value, list):
        parent[key] = rng.choice([value * 2, value * 70, value + [None], value[:1], value + value[:1], [value]])
    else:
        name = rng.choice(["added", "x|y", "TLSv1.2", "tls", "reporter", "truncated", "expected", "d", "certainty"])
        value[name] = copy.deepcopy(rng.choice(POOL))
    return document


def test_mutations():
    rng = random.Random(20261123)
    cases = []
    examples = [(schema_of(path), load(path)) for path in VALID + BODIES]
    for round_ in range(3600):
        name, document = examples[round_ % len(examples)]
        document = copy.deepcopy(document)
        for _ in range(1 + round_ % 3):
            document = change(rng, document)
            if not isinstance(document, (dict, list)):
                break
        text = json.dumps(document)
        if len(text) < 40000:
            cases.append((name, document, text))
    validators = {name: validator(name) for name in {case[0] for case in cases}}
    verdicts = ours([(name, text) for name, _, text in cases])
    accepted = 0
    for (name, document, text), verdict in zip(cases, verdicts):
        if verdict.startswith("bad\ttoo big integer"):
            continue  # beyond int64: refused as JSON, whatever the schema says
        want = "ok" if validators[name].is_valid(document) else "no"
        assert verdict.split("\t")[0] == want, f"{name}: ours: {verdict}; {text}"
        accepted += want == "ok"
    # Were nearly all of one verdict, the comparison would show little.
    assert len(cases) > 3000 and 0.1 < accepted / len(cases) < 0.9, (accepted, len(cases))


def bounded(schema):
    """uniqueItems needs maxItems beside it with us."""
    for _, value in list(walk(schema)):
        if isinstance(value, dict) and value.get("uniqueItems") is True:
            value.setdefault("maxItems", 1000)
    return schema


@pytest.mark.skipif(not os.path.isdir(SUITE), reason="Debian package json-schema-test-suite is missing")
def test_suite(tmp_path):
    path = tmp_path / "schema.json"
    groups = tests = 0
    refused = []
    for file in sorted(glob.glob(SUITE + "/*.json")):
        for group in load(file):
            schema = bounded(copy.deepcopy(group["schema"]))
            path.write_text(json.dumps(schema))
            done = subprocess.run([CHECKER, str(path)], input=b"", capture_output=True, check=False)
            if done.returncode != 0:
                refused.append((os.path.basename(file), group["description"], done.stderr.decode().strip()))
                continue
            cases = group["tests"]
            verdicts = run_checker([str(path)], [(0, json.dumps(case["data"])) for case in cases])
            groups += 1
            for case, verdict in zip(cases, verdicts):
                where = f"{file}: {group['description']}: {case['description']}: {verdict}"
                assert not verdict.startswith("bad") or isinstance(case["data"], (int, float)), where
                if verdict.startswith("bad"):
                    continue  # an integer beyond int64: refused as JSON
                tests += 1
                assert (verdict == "ok") == case["valid"], where
    print(f"{groups} groups, {tests} tests; {len(refused)} groups refused")
    # A schema is refused for a keyword that we do not have, never silently judged without it.
    for file, description, why in refused:
        assert any(
            word in why
            for word in ("is not supported", "portable dialect", "only at the top", "leaves the folder", "a schema expected",
                         "leads nowhere", "2020-12 expected", "whole number expected", "without end", "No such file")
        ), (file, description, why)
    assert groups >= 70 and tests >= 250, (groups, tests, refused)
