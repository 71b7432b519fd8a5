#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Writes the Grafana boards. The JSON beside this file is what users copy; a test holds the two together.

    make_boards.py            writes overview.json, agency.json and strength.json
"""

import json
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, AMBER, RED, GREY = "#0c9a7a", "#e8a317", "#d5402b", "#8b97a4"

# One place for the selections, so that every panel follows the variables.
AGENCY = 'job=~"$job",area=~"$area",agency=~"$agency",criterion=~"$criterion"'
AREA = 'job=~"$job",area=~"$area",criterion=~"$criterion"'
CRITERION = 'job=~"$job",criterion=~"$criterion"'
JOB = 'job=~"$job"'
RESULT_COLOURS = {"fail": RED, "warn": AMBER, "unknown": GREY, "stale": "#a9b3bf", "missing": "#5c6875"}


class Board:
    def __init__(self, uid, title, description, tags):
        self.panels, self.y, self.x, self.row_height = [], 0, 0, 0
        self.document = {
            "uid": uid, "title": title, "description": description, "tags": tags,
            "editable": False, "graphTooltip": 1, "refresh": "1m", "schemaVersion": 39, "version": 1,
            "timezone": "browser", "time": {"from": "now-7d", "to": "now"}, "fiscalYearStartMonth": 3,
            "annotations": {"list": []}, "links": [], "templating": {"list": []}, "panels": self.panels}

    def row(self, title):
        self._line()
        self.panels.append({"id": len(self.panels) + 1, "type": "row", "title": title, "collapsed": False,
                            "panels": [], "gridPos": {"x": 0, "y": self.y, "w": 24, "h": 1}})
        self.y += 1

    def _line(self):
        self.y += self.row_height
        self.x = self.row_height = 0

    def panel(self, kind, title, description, targets, width, height, unit, **more):
        if self.x + width > 24:
            self._line()
        defaults = {"unit": unit, "noValue": "–", "mappings": [],
                    "color": more.pop("color", {"mode": "thresholds"}),
                    "thresholds": {"mode": "absolute", "steps": more.pop("steps", [step(None, GREEN)])}}
        for key in ("min", "max", "decimals", "custom", "links"):
            if key in more:
                defaults[key] = more.pop(key)
        self.panels.append({
            "id": len(self.panels) + 1, "type": kind, "title": title, "description": description,
            "datasource": DATASOURCE, "gridPos": {"x": self.x, "y": self.y, "w": width, "h": height},
            "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
            "options": more.pop("options", {}), "targets": targets, **more})
        self.x += width
        self.row_height = max(self.row_height, height)

    def write(self):
        path = FOLDER / (self.document["uid"].removeprefix("posture-") + ".json")
        path.write_text(self.text(), encoding="utf-8")

    def text(self):
        return json.dumps(self.document, ensure_ascii=False, indent=2) + "\n"


def step(value, colour):
    return {"value": value, "color": colour}


def query(expr, legend="", ref="A", instant=False, table=False):
    return {"refId": ref, "datasource": DATASOURCE, "expr": expr, "legendFormat": legend or "__auto",
            "instant": instant, "range": not instant, "format": "table" if table else "time_series",
            "editorMode": "code"}


def now(expr, legend="", ref="A", table=False):
    return query(expr, legend, ref, instant=True, table=table)


def variable(name, label, expr, many=True):
    return {"name": name, "label": label, "type": "query", "datasource": DATASOURCE, "definition": expr,
            "query": {"query": expr, "refId": name}, "refresh": 2, "sort": 1, "multi": many,
            "includeAll": many, "allValue": ".*" if many else None, "hide": 0, "skipUrlSync": False,
            "regex": "", "options": [],
            "current": {"text": "All", "value": "$__all"} if many else {}}


def datasource():
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus",
            "regex": "", "refresh": 1, "multi": False, "includeAll": False, "hide": 0, "options": [],
            "current": {"text": "Posture", "value": "posture-prometheus"}, "skipUrlSync": False}


def matrix(column, row):
    return [{"id": "groupingToMatrix",
             "options": {"columnField": column, "rowField": row, "valueField": "Value"}}]


def bars(legend="list", stacked=False, fill=12):
    return {"drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 2, "fillOpacity": fill,
            "showPoints": "never", "spanNulls": False,
            "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}


def legend(calcs=()):
    return {"legend": {"displayMode": "table" if calcs else "list", "placement": "bottom", "showLegend": True,
                       "calcs": list(calcs)}, "tooltip": {"mode": "multi", "sort": "desc"}}


def stat(**more):
    return {"colorMode": "value", "graphMode": "none", "justifyMode": "auto", "textMode": "auto",
            "orientation": "auto", "wideLayout": True, "showPercentChange": False,
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, **more}


def gauge():
    return {"displayMode": "basic", "orientation": "horizontal", "showUnfilled": True, "minVizWidth": 8,
            "minVizHeight": 16, "valueMode": "color", "namePlacement": "left", "sizing": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}


def table_options():
    return {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}


def by_name(name, **properties):
    return {"matcher": {"id": "byName", "options": name},
            "properties": [{"id": key, "value": value} for key, value in properties.items()]}


COLOURED = {"align": "left", "cellOptions": {"type": "color-background", "mode": "basic"}, "filterable": True}
MARGIN_STEPS = [step(None, RED), step(-0.05, AMBER), step(0, GREEN)]
COVER_STEPS = [step(None, RED), step(0.5, AMBER), step(0.9, GREEN)]
AGE_STEPS = [step(None, GREEN), step(3600, AMBER), step(86400, RED)]


def pipeline(board):
    board.row("受理処理の状態 / Pipeline health")
    board.panel("stat", "評価の経過時間 / Age of the evaluation",
                "センターの最新の評価が作られてからの時間。古ければ、このボード全体が過去を示す。 / Time since the centre "
                "made the shown evaluation; when it is old, this whole board shows the past.",
                [now(f"time() - max(posture_model_timestamp_seconds{{{JOB}}})")], 4, 6, "s",
                steps=[step(None, GREEN), step(120, AMBER), step(600, RED)], options=stat(), decimals=0)
    board.panel("stat", "受理待ち / Waiting at the gate",
                "受理処理を待つメッセージ数。 / Messages that wait in front of the gate.",
                [now(f"max(posture_gate_lag_messages{{{JOB}}})")], 4, 6, "short",
                steps=[step(None, GREEN), step(1000, AMBER), step(10000, RED)], options=stat())
    board.panel("timeseries", "受理した報告 / Accepted reports",
                "状態トピックに書かれた報告の毎秒の数と、除かれた重複。 / Reports written to the state per second, and "
                "duplicates dropped.",
                [query(f"sum(rate(posture_gate_accepted_total{{{JOB}}}[$__rate_interval]))", "accepted"),
                 query(f"sum(rate(posture_gate_duplicates_total{{{JOB}}}[$__rate_interval]))", "duplicates", "B")],
                8, 6, "reqps", color={"mode": "palette-classic"}, custom=bars(), options=legend(), min=0)
    board.panel("timeseries", "受理拒否（理由別） / Refused by reason",
                "受理を拒否されたメッセージの毎秒の数。本文は posture.rejected.v1 にある。 / Refused messages per second; "
                "they stand in posture.rejected.v1.",
                [query(f"sum by (reason) (rate(posture_gate_rejected_total{{{JOB}}}[$__rate_interval]))",
                       "{{reason}}")],
                8, 6, "reqps", color={"mode": "palette-classic"}, custom=bars(stacked=True, fill=40),
                options=legend(), min=0)


def overview():
    board = Board("posture-overview", "Posture: 全国の達成状況 / National overview",
                  "評価指標ごとの達成率・計測率・データの鮮度。 / Achieved against target, coverage and age of data, by area "
                  "and agency.", ["posture", "security"])
    board.document["templating"]["list"] = [
        datasource(),
        variable("job", "job", "label_values(posture_build_info, job)"),
        variable("area", "領域 / Area", "label_values(posture_agency_info, area)"),
        variable("criterion", "指標 / Criterion", "label_values(posture_criterion_info, criterion)"),
        variable("agency", "機関 / Agency", 'label_values(posture_agency_info{area=~"$area"}, agency)')]
    board.document["links"] = [
        {"title": "Agency", "type": "dashboards", "tags": ["posture"], "asDropdown": False,
         "includeVars": True, "keepTime": True, "targetBlank": False, "icon": "external link"}]

    board.row("全国 / Nation")
    board.panel("stat", "すべての目標を達成した機関 / Agencies that meet every target",
                "該当するすべての指標で目標以上の機関の数。 / Agencies at or above the target of every criterion that applies.",
                [now(f"count(agency:posture_criterion_margin:min{{{JOB}}} >= 0) or vector(0)", "on target"),
                 now(f"count(max without (instance) (posture_agency_info{{{JOB}}}))", "of all", "B")],
                5, 7, "short", options=stat(colorMode="none"))
    board.panel("bargauge", "達成率 / Achieved",
                "合格した対象 ÷ 対象として登録された数（全国）。不明・期限超過・未報告は達成に数えない。 / Passing subjects of those "
                "expected, nation. Unknown, stale and missing are not achieved.",
                [now(f"criterion:posture_criterion_achieved:ratio{{{CRITERION}}}", "{{criterion}}")],
                7, 7, "percentunit", min=0, max=1, decimals=1, options=gauge(),
                steps=[step(None, RED), step(0.8, AMBER), step(1, GREEN)])
    board.panel("bargauge", "目標との差 / Distance to target",
                "達成率 − 目標（全国）。負なら未達。 / Achieved minus target, nation; below zero the target is missed.",
                [now(f"criterion:posture_criterion_achieved:ratio{{{CRITERION}}} - "
                     f"criterion:posture_criterion_target:ratio{{{CRITERION}}}", "{{criterion}}")],
                6, 7, "percentunit", min=-0.5, max=0.5, decimals=1, options=gauge(), steps=MARGIN_STEPS)
    board.panel("bargauge", "計測率 / Coverage",
                "有効な計測がある対象 ÷ 対象として登録された数（全国）。 / Freshly and wholly measured subjects of those "
                "expected, nation.",
                [now(f"criterion:posture_criterion_coverage:ratio{{{CRITERION}}}", "{{criterion}}")],
                6, 7, "percentunit", min=0, max=1, decimals=1, options=gauge(), steps=COVER_STEPS)
    board.panel("timeseries", "達成率の推移と目標 / Achieved over time, and targets",
                "実線は達成率、破線は目標（全国）。 / Solid: achieved; dashed: target; nation.",
                [query(f"criterion:posture_criterion_achieved:ratio{{{CRITERION}}}", "{{criterion}}"),
                 query(f"criterion:posture_criterion_target:ratio{{{CRITERION}}}", "target {{criterion}}", "B")],
                24, 8, "percentunit", min=0, max=1, color={"mode": "palette-classic"}, custom=bars(fill=0),
                options=legend(["lastNotNull"]),
                overrides=[{"matcher": {"id": "byRegexp", "options": "/^target /"},
                            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}},
                                           {"id": "custom.lineWidth", "value": 1}]}])

    board.row("領域と機関 / Areas and agencies")
    board.panel("table", "領域別の達成率 / Achieved by area",
                "領域×指標の達成率。 / Area by criterion.",
                [now(f"max by (area, criterion) (area_criterion:posture_criterion_achieved:ratio{{{AREA}}})",
                     table=True)],
                12, 8, "percentunit", min=0, max=1, decimals=1, custom=COLOURED, options=table_options(),
                steps=[step(None, RED), step(0.8, AMBER), step(1, GREEN)],
                transformations=matrix("criterion", "area"))
    board.panel("table", "領域別の計測率 / Coverage by area",
                "領域×指標の計測率。達成率と並べて読む。 / Area by criterion; to be read beside achieved.",
                [now(f"max by (area, criterion) (area_criterion:posture_criterion_coverage:ratio{{{AREA}}})",
                     table=True)],
                12, 8, "percentunit", min=0, max=1, decimals=1, custom=COLOURED, options=table_options(),
                steps=COVER_STEPS, transformations=matrix("criterion", "area"))
    board.panel("table", "機関別の目標との差 / Distance to target by agency",
                "達成率 − 目標。負の機関が未達。機関名から個票へ。 / Achieved minus target; below zero the target is missed.",
                [now(f"max by (agency, criterion) (agency_criterion:posture_criterion_margin:ratio{{{AGENCY}}})",
                     table=True)],
                12, 12, "percentunit", decimals=1, custom=COLOURED, options=table_options(),
                steps=MARGIN_STEPS, transformations=matrix("criterion", "agency"),
                overrides=[by_name("agency\\criterion", links=[
                    {"title": "Agency", "url": "/d/posture-agency?var-agency=${__value.text}&${datasource:queryparam}"}],
                    **{"custom.cellOptions": {"type": "auto"}})])
    board.panel("table", "機関別の計測率 / Coverage by agency",
                "機関×指標の計測率。 / Agency by criterion.",
                [now(f"max by (agency, criterion) (agency_criterion:posture_criterion_coverage:ratio{{{AGENCY}}})",
                     table=True)],
                12, 12, "percentunit", min=0, max=1, decimals=1, custom=COLOURED, options=table_options(),
                steps=COVER_STEPS, transformations=matrix("criterion", "agency"))

    board.row("達成を妨げているもの / What keeps targets from being met")
    board.panel("bargauge", "不合格等の対象が多い機関 / Agencies with most subjects not passing",
                "合格していない対象（不合格・要注意・判定不能・期限超過・未報告）の多い順。 / Subjects that fail, warn, are "
                "unknown, stale or missing; most first.",
                [now(f'topk(15, sum by (agency) (max without (instance) (posture_not_passing{{{JOB},agency=~"$agency"}})) > 0)',
                     "{{agency}}")],
                12, 10, "short", min=0, options=gauge(), steps=[step(None, AMBER), step(10, RED)])
    board.panel("timeseries", "合格していない対象の推移 / Subjects not passing over time",
                "結果別の対象数。 / By result.",
                [query(f'sum by (result) (max without (instance) (posture_not_passing{{{JOB},agency=~"$agency"}}))',
                       "{{result}}")],
                12, 10, "short", min=0, custom=bars(stacked=True, fill=45), options=legend(["lastNotNull"]),
                color={"mode": "palette-classic"},
                overrides=[by_name(name, color={"mode": "fixed", "fixedColor": colour})
                           for name, colour in RESULT_COLOURS.items()])

    board.row("データの鮮度 / Age of data")
    board.panel("bargauge", "最終報告からの時間 / Since the last report",
                "機関ごとの最終報告（ハートビートを除く）からの時間。長い順。 / Per agency, heartbeats left out; oldest first.",
                [now(f'topk(20, min by (agency) (agency_kind:posture_report_age:seconds{{{JOB},kind!="reporter",agency=~"$agency"}}))',
                     "{{agency}}")],
                12, 10, "s", min=0, decimals=0, options=gauge(), steps=AGE_STEPS)
    board.panel("bargauge", "ハートビートからの時間 / Since the last heartbeat",
                "collectd と posture_kafka の生存。900秒を超えれば停止とみなす。 / Whether collectd and posture_kafka live; "
                "above 900 s they are taken to be down.",
                [now(f'topk(20, min by (agency) (agency_kind:posture_report_age:seconds{{{JOB},kind="reporter",agency=~"$agency"}}))',
                     "{{agency}}")],
                12, 10, "s", min=0, decimals=0, options=gauge(),
                steps=[step(None, GREEN), step(180, AMBER), step(900, RED)])
    pipeline(board)
    return board


def agency():
    board = Board("posture-agency", "Posture: 機関 / Agency",
                  "一つの機関の達成率・計測率・合格していない対象・データの鮮度。 / One agency: achieved, coverage, subjects not "
                  "passing, age of data.", ["posture", "security"])
    board.document["templating"]["list"] = [
        datasource(),
        variable("job", "job", "label_values(posture_build_info, job)"),
        variable("agency", "機関 / Agency", "label_values(posture_agency_info, agency)", many=False)]
    one = 'job=~"$job",agency="$agency"'
    board.row("$agency")
    board.panel("table", "機関 / Agency",
                "登録簿の記載。 / What the registry says.",
                [now(f"max by (agency, name_ja, name_en, area, class, sector) (posture_agency_info{{{one}}})",
                     table=True)],
                24, 4, "short", options=table_options(), custom={"align": "left"},
                transformations=[{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True},
                                                                "indexByName": {}, "renameByName": {}}}])
    board.panel("bargauge", "達成率 / Achieved",
                "合格した対象 ÷ 登録された対象。 / Passing subjects of those expected.",
                [now(f"agency_criterion:posture_criterion_achieved:ratio{{{one}}}", "{{criterion}}")],
                8, 8, "percentunit", min=0, max=1, decimals=1, options=gauge(),
                steps=[step(None, RED), step(0.8, AMBER), step(1, GREEN)])
    board.panel("bargauge", "目標との差 / Distance to target",
                "達成率 − 目標。 / Achieved minus target.",
                [now(f"agency_criterion:posture_criterion_margin:ratio{{{one}}}", "{{criterion}}")],
                8, 8, "percentunit", min=-0.5, max=0.5, decimals=1, options=gauge(), steps=MARGIN_STEPS)
    board.panel("bargauge", "計測率 / Coverage",
                "有効な計測がある対象 ÷ 登録された対象。 / Freshly and wholly measured subjects of those expected.",
                [now(f"agency_criterion:posture_criterion_coverage:ratio{{{one}}}", "{{criterion}}")],
                8, 8, "percentunit", min=0, max=1, decimals=1, options=gauge(), steps=COVER_STEPS)
    board.panel("timeseries", "達成率の推移 / Achieved over time",
                "実線は達成率、破線は目標。 / Solid: achieved; dashed: target.",
                [query(f"agency_criterion:posture_criterion_achieved:ratio{{{one}}}", "{{criterion}}"),
                 query(f"agency_criterion:posture_criterion_target:ratio{{{one}}}", "target {{criterion}}", "B")],
                12, 9, "percentunit", min=0, max=1, color={"mode": "palette-classic"}, custom=bars(fill=0),
                options=legend(["lastNotNull"]),
                overrides=[{"matcher": {"id": "byRegexp", "options": "/^target /"},
                            "properties": [{"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [6, 6]}}]}])
    board.panel("timeseries", "合格していない対象 / Subjects not passing",
                "種別と結果ごとの対象数。どの対象か・なぜかはセンターのページにある。 / By kind and result; which and why is on "
                "the centre's page.",
                [query(f"sum by (kind, result) (max without (instance) (posture_not_passing{{{one}}}))",
                       "{{kind}} {{result}}")],
                12, 9, "short", min=0, custom=bars(stacked=True, fill=45), options=legend(["lastNotNull"]),
                color={"mode": "palette-classic"})
    board.panel("timeseries", "最終報告からの時間 / Since the last report",
                "種別ごと。 / By kind.",
                [query(f"min by (kind) (agency_kind:posture_report_age:seconds{{{one}}})", "{{kind}}")],
                12, 8, "s", min=0, custom=bars(), options=legend(), color={"mode": "palette-classic"})
    board.panel("timeseries", "登録外・例外の対象 / Unregistered and excepted subjects",
                "登録簿にない対象と、例外が登録された対象（達成には数えない）。 / Not in the registry, and with an exception on "
                "record (never a pass).",
                [query(f"sum by (criterion) (max without (instance) (posture_criterion_unregistered_subjects{{{one}}}))",
                       "unregistered {{criterion}}"),
                 query(f"sum by (criterion) (max without (instance) (posture_criterion_excepted_subjects{{{one}}}))",
                       "excepted {{criterion}}", "B")],
                12, 8, "short", min=0, custom=bars(), options=legend(), color={"mode": "palette-classic"})
    return board


def strength():
    board = Board("posture-strength", "Posture: 強度の期限 / Years left",
                  "機関のcollectd(write_prometheus)から。何年後に、いくつの対象が使えなくなるか。 / From an agency's collectd "
                  "(write_prometheus): in how many years how many subjects may no longer be used.", ["posture"])
    board.document["templating"]["list"] = [datasource(), variable("job", "job", "label_values(years:posture_strength_subjects:count, job)")]
    board.row("強度の崖 / The cliff")
    board.panel("bargauge", "残り年数別の対象数 / Subjects by years left",
                "使えるうちの最後の年の終わりまでの年数（0未満は期限切れ、-100はどの年にも使えない、100は期限なし）。 / Years to the end of "
                "the last year of use; below 0 it is over, -100 usable in no year, 100 no end.",
                [now(f'sort_desc(sum by (years_left) (years:posture_strength_subjects:count{{{JOB}}}))', "{{years_left}}")],
                12, 12, "short", min=0, options=gauge(), steps=[step(None, AMBER)])
    board.panel("timeseries", "推移 / Over time",
                "残り年数別。 / By years left.",
                [query(f'sum by (years_left) (years:posture_strength_subjects:count{{{JOB}}})', "{{years_left}}")],
                12, 12, "short", min=0, custom=bars(stacked=True, fill=45), options=legend(["lastNotNull"]),
                color={"mode": "palette-classic"})
    return board


BOARDS = [overview, agency, strength]

if __name__ == "__main__":
    for make in BOARDS:
        make().write()
