# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Every panel's query and every rule on a real Prometheus that scrapes the real exporter."""

import json
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import prometheus as support  # noqa: E402

BOARDS = sorted((support.SOURCE / "dashboards/grafana").glob("*.json"))
VARIABLES = {"$__rate_interval": "10s", "$job": ".*", "$area": ".*", "$criterion": ".*"}


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    with support.Centre(tmp_path_factory.mktemp("centre"), "nation", "--now") as centre:
        yield centre


@pytest.fixture(scope="module")
def prometheus(centre, tmp_path_factory):
    with support.Prometheus(tmp_path_factory.mktemp("prometheus"), centre.target) as prometheus:
        # Rates need two scrapes; rules that build on rules a few evaluations.
        support.wait_for(lambda: prometheus.query("criterion:posture_criterion_coverage:ratio")
                         and prometheus.query("agency:posture_criterion_margin:min")
                         and prometheus.query("rate(posture_gate_rejected_total[10s])"),
                         40, "records are there")
        yield prometheus


def queries():
    for board in BOARDS:
        if board.stem == "strength":  # of an agency's collectd: test_crypto_values.py
            continue
        for panel in json.loads(board.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield pytest.param(target, panel["title"], id=f"{board.stem}-{panel['id']}-{target['refId']}")


@pytest.mark.parametrize("target,title", queries())
def test_panel_has_data(prometheus, target, title):
    expr = target["expr"]
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    expr = expr.replace('"$agency"', '"waterways"' if 'agency="$agency"' in expr else '".*"')
    assert "$" not in expr, f"{title}: {expr}"
    result = prometheus.query(expr) if target["instant"] else prometheus.query_range(expr)
    assert result, f"{title}: no data from {expr}"
    # The legend names labels that the result has.
    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
        assert all(label in series["metric"] for series in result), f"{title}: no label {label}"


def value(prometheus, expr):
    result = prometheus.query(expr)
    assert len(result) == 1, f"{expr}: {result}"
    return float(result[0]["value"][1])


@pytest.mark.parametrize("expr,want", [
    ('criterion:posture_criterion_achieved:ratio{criterion="crypto.tls"}', 133 / 161),
    ('criterion:posture_criterion_coverage:ratio{criterion="crypto.tls"}', 148 / 161),
    ('area_criterion:posture_criterion_achieved:ratio{area="business",criterion="crypto.certificates"}', 5 / 6),
    ('count(agency:posture_criterion_margin:min >= 0)', 4),
    ('agency_criterion:posture_criterion_margin:ratio{agency="coast-rail",criterion="crypto.tls"}', -0.8),
    ('posture_not_passing{agency="coast-rail",kind="tls",result="stale"}', 6),
    ('posture_gate_rejected_total{reason="agency_unknown"}', 2),
])
def test_values_are_the_documents(prometheus, expr, want):
    assert value(prometheus, expr) == pytest.approx(want, abs=1e-9)


def test_the_centre_and_the_rules_sum_alike(prometheus):
    """Two ways to the nation's ratio: the centre's own roll-up, and the sum of its agencies."""
    result = prometheus.query("abs(max without (instance, scope) (posture_criterion_achieved_ratio{scope=\"nation\"})"
                              " - criterion:posture_criterion_achieved:ratio)")
    assert len(result) == 4
    assert all(float(series["value"][1]) < 1e-9 for series in result), result


def test_ages_are_seconds_since_the_report(prometheus):
    age = value(prometheus, 'agency_kind:posture_report_age:seconds{agency="waterways",kind="tls"}')
    assert 12 * 60 <= age < 12 * 60 + 120
    assert value(prometheus, "time() - posture_model_timestamp_seconds") < 120


def test_every_rule_is_healthy(prometheus):
    groups = json.loads(support.get(prometheus.url + "/api/v1/rules").text)["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) >= 25
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []


def test_alerts_that_should_wait_are_pending(prometheus):
    def pending():
        alerts = json.loads(support.get(prometheus.url + "/api/v1/alerts").text)["data"]["alerts"]
        found = {(a["labels"]["alertname"], a["labels"].get("agency")) for a in alerts}
        want = {("PostureDataStale", "coast-rail"), ("PostureCoverageLow", "town-kawabe"),
                ("PostureCriterionBelowTarget", "waterways"), ("PostureNationBelowTarget", None)}
        return found if want <= found else None

    found = support.wait_for(pending, 15, "alerts are pending")
    assert ("PostureCriterionBelowTarget", "town-kawabe") not in found, "nobody measured it"
    assert not any(name in ("PostureCentreDown", "PostureModelOld") for name, _ in found)
