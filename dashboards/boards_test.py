# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Conventions of rules and boards, without a running Prometheus: promtool's own checks, and a lint of the boards."""

import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests/support"))
import prometheus as support  # noqa: E402

BOARDS = sorted((HERE / "grafana").glob("*.json"))
RULES = sorted((HERE / "prometheus/rules").glob("*.yml"))
UNITS = {"percentunit", "short", "s", "reqps"}


def promtool(*args, stdin=None):
    done = subprocess.run(["promtool", *map(str, args)], input=stdin, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_configuration_is_valid():
    status, text = promtool("check", "config", HERE / "prometheus/prometheus.yml")
    assert status == 0, text


def test_rules_are_valid():
    status, text = promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    assert status == 0, text


def test_rules_do_what_they_say():
    status, text = promtool("test", "rules", HERE / "prometheus/rules-test/posture-test.yml")
    assert status == 0, text


def test_rule_tests_can_fail(tmp_path):
    """A rule turned round must be noticed."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules-test").mkdir()
    for rule in RULES:
        text = rule.read_text(encoding="utf-8")
        broken = text.replace("margin:ratio < 0\n", "margin:ratio > 0\n")
        (tmp_path / "rules" / rule.name).write_text(broken, encoding="utf-8")
    test = (HERE / "prometheus/rules-test/posture-test.yml").read_text(encoding="utf-8")
    (tmp_path / "rules-test/t.yml").write_text(test, encoding="utf-8")
    status, text = promtool("test", "rules", tmp_path / "rules-test/t.yml")
    assert status != 0 and "PostureCriterionBelowTarget" in text


def alerts():
    """Name and block of every alert; each is tested and told in both languages."""
    text = (HERE / "prometheus/rules/posture-alerts.yml").read_text(encoding="utf-8")
    return re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert: |\n  - name: |\Z)", text, re.S)


@pytest.mark.parametrize("name,block", alerts(), ids=lambda v: v if v.startswith("Posture") else "")
def test_alert_is_told_in_both_languages_and_tested(name, block):
    for member in ("for:", "severity:", "summary:", "description:", "summary_ja:", "description_ja:", "page:"):
        assert re.search(rf"^ *{member} \S", block, re.M), f"{name} has no {member}"
    tests = (HERE / "prometheus/rules-test/posture-test.yml").read_text(encoding="utf-8")
    assert f"alertname: {name}\n" in tests, f"{name} is not tested"
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    assert f"`{name}`" in readme, f"{name} is not in the README"


@pytest.fixture(scope="module")
def exposition(tmp_path_factory):
    with support.Centre(tmp_path_factory.mktemp("centre")) as centre:
        yield centre.get("/metrics").text


@pytest.fixture(scope="module")
def known_names(exposition):
    names = set(re.findall(r"^# TYPE (\S+)", exposition, re.M))
    for rule in RULES:
        names |= set(re.findall(r"- record: (\S+)", rule.read_text(encoding="utf-8")))
    return names | {"up"}


def used_names(expr):
    bare = re.sub(r'"[^"]*"', "", expr)
    return set(re.findall(r"\b(?:[a-z_]+:)?posture_[a-z_0-9]+(?::[a-z0-9_]+)?", bare))


@pytest.mark.parametrize("fixture", ["nation", "quickstart", "empty", "hostile"])
@pytest.mark.parametrize("path", ["/metrics", "/metrics/public"])
def test_exposition_passes_promtool(tmp_path, fixture, path):
    with support.Centre(tmp_path, fixture) as centre:
        reply = centre.get(path)
        status, text = promtool("check", "metrics", stdin=reply.body)
        assert status == 0, text
        assert reply.text.endswith("# EOF\n")


def test_openmetrics_is_parsed_by_its_own_grammar(tmp_path):
    """Lines, order and suffixes as OpenMetrics 1.0 wants them, where they differ from the older text."""
    with support.Centre(tmp_path) as centre:
        reply = centre.get("/metrics", {"Accept": "application/openmetrics-text;version=1.0.0"})
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    lines = reply.text.split("\n")
    assert lines[-2:] == ["# EOF", ""]
    family, kinds, seen = None, {}, set()
    for line in lines[:-2]:
        head = re.fullmatch(r"# (HELP|TYPE|UNIT) (\S+) (.+)", line)
        if head:
            if head.group(2) != family:
                family = head.group(2)
                assert family not in seen, f"{family} stands twice"
                seen.add(family)
            if head.group(1) == "TYPE":
                kinds[family] = head.group(3)
            if head.group(1) == "UNIT":
                assert family.endswith("_" + head.group(3)), line
            continue
        sample = re.fullmatch(r'([a-z_:]+)(\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\})?'
                              r' (-?[0-9.e+-]+)', line)
        assert sample, f"not a sample: {line}"
        assert sample.group(1) == family + ("_total" if kinds[family] == "counter" else ""), line
    assert len(seen) >= 20


@pytest.mark.parametrize("rule", RULES, ids=lambda p: p.stem)
def test_rules_use_what_is_exported(rule, known_names):
    for expr in re.findall(r"expr: (.+(?:\n {10}.+)*)", rule.read_text(encoding="utf-8")):
        assert used_names(expr) <= known_names, f"{used_names(expr) - known_names}"


def board_maker():
    spec = importlib.util.spec_from_file_location("make_boards", HERE / "grafana/make_boards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_boards_are_what_their_maker_writes():
    made = {m().document["uid"].removeprefix("posture-") + ".json": m().text() for m in board_maker().BOARDS}
    assert made == {path.name: path.read_text(encoding="utf-8") for path in BOARDS}


@pytest.mark.parametrize("path", BOARDS, ids=lambda p: p.stem)
def test_board_conventions(path, known_names):
    board = json.loads(path.read_text(encoding="utf-8"))
    assert board["uid"] == f"posture-{path.stem}"
    assert board["editable"] is False
    assert board["refresh"] and board["description"] and board["fiscalYearStartMonth"] == 3
    names = [v["name"] for v in board["templating"]["list"]]
    assert names[0] == "datasource" and board["templating"]["list"][0]["type"] == "datasource"
    panels = board["panels"]
    assert len({p["id"] for p in panels}) == len(panels)
    taken = set()
    for panel in panels:
        title, pos = panel["title"], panel["gridPos"]
        assert pos["x"] + pos["w"] <= 24, title
        cells = {(x, y) for x in range(pos["x"], pos["x"] + pos["w"]) for y in range(pos["y"], pos["y"] + pos["h"])}
        assert not cells & taken, f"{title} lies on another panel"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert " / " in title, f"{title}: both languages"
        assert " / " in panel["description"], f"{title}: description in both languages"
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, title
        assert panel["datasource"]["uid"] == "${datasource}", title
        assert panel["targets"], title
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", title
            used = used_names(target["expr"])
            assert used and used <= known_names, f"{title}: {used - known_names}"
            assert not re.search(r"\brate\([^)]*\[(?!\$__rate_interval)", target["expr"]), title
            for name in re.findall(r"\$(\w+)", target["expr"]):
                assert name in names or name == "__rate_interval", f"{title}: ${name}"
    for variable in board["templating"]["list"][1:]:
        assert used_names(variable["definition"]) <= known_names


def test_readme_names_every_panel_and_metric(exposition):
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for path in BOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            if panel["type"] != "row":
                assert panel["title"].split(" / ")[1] in readme, panel["title"]
    for name in re.findall(r"^# TYPE (\S+)", exposition, re.M):
        assert f"`{name}`" in readme, name
