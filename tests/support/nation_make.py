#!/usr/bin/python3
# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Makes the posture.nation/1 documents that pages, metrics and boards are tested with.

Agencies and figures are invented. Every ratio is counted from the subjects that the document lists, by
DESIGN section 2, so that a page that adds up wrongly is seen. Same arguments, same bytes:
    nation_make.py nation|quickstart|empty|hostile > FILE
    nation_make.py large N > FILE
    nation_make.py --write FOLDER        the committed fixtures
"""

import datetime
import json
import pathlib
import random
import sys

NOW = datetime.datetime(2026, 11, 23, 8, 0, 0, 123000, datetime.timezone.utc)
TROUBLES = ["fail", "missing", "stale", "unknown", "warn"]

CRITERIA = [
    {"id": "crypto.tls",
     "title": {"ja": "CRYPTREC暗号リストに適合するTLS", "en": "CRYPTREC-compliant TLS"},
     "source": "First National Strategy on Information Security (2006-02-02), chapter 3, section 1 (1); "
               "e-Government Recommended Ciphers List",
     "areas": ["central-government", "local-government", "critical-infrastructure", "business",
               "individual"],
     "kind": "tls", "checks": [{"check": "tls.version"}, {"check": "tls.suites"},
                               {"check": "tls.key_exchange"}, {"check": "tls.groups"}],
     "aggregation": "share_of_subjects", "targets": {"FY2026": 1.0}, "tlp": "AMBER",
     "recommendation": {"ja": "電子政府推奨暗号リストに沿ったTLS設定に改めること。",
                        "en": "Bring TLS settings into line with the e-Government Recommended Ciphers List."}},
    {"id": "crypto.forward_secrecy",
     "title": {"ja": "前方秘匿性", "en": "Forward secrecy"},
     "source": "TLS guideline GL-3001, section 3", "areas": ["central-government", "local-government",
     "critical-infrastructure", "business", "individual"], "kind": "tls",
     "checks": [{"check": "tls.forward_secrecy"}], "aggregation": "share_of_subjects",
     "targets": {"FY2026": 0.9}, "tlp": "AMBER",
     "recommendation": {"ja": "静的RSA鍵交換の暗号スイートを無効にすること。",
                        "en": "Switch off suites with static RSA key exchange."}},
    {"id": "crypto.certificates",
     "title": {"ja": "サーバ証明書の有効性", "en": "Valid certificates"},
     "source": "Standards for Measures, 5.2", "areas": ["central-government", "local-government",
     "critical-infrastructure", "business", "individual"], "kind": "tls",
     "checks": [{"check": "tls.cert.validity"}, {"check": "tls.cert.chain"}, {"check": "tls.cert.name"}],
     "aggregation": "share_of_subjects", "targets": {"FY2026": 1.0}, "tlp": "AMBER",
     "recommendation": {"ja": "期限前に証明書を更新し、正しい名前で発行を受けること。",
                        "en": "Renew certificates in time, for the names that are served."}},
    {"id": "crypto.strength_2031",
     "title": {"ja": "2031年以降も使える暗号強度", "en": "Strength beyond 2030"},
     "source": "CRYPTREC LS-0003-2022r1", "areas": ["central-government", "local-government",
     "critical-infrastructure", "business"], "kind": "tls",
     "checks": [{"check": "tls.strength_until", "min": 2031}], "aggregation": "share_of_subjects",
     "targets": {"FY2026": 0.8}, "tlp": "AMBER",
     "recommendation": {"ja": "112ビット強度の鍵を2030年までに移行すること。",
                        "en": "Move keys of 112-bit strength by the end of 2030."}},
]

# what can be wrong with a subject: check, result, code, args, criteria that it holds back
FAULTS = {
    "tls10": [("tls.version", "fail", "tls.version.legacy", {"items": ["TLSv1.0"]}, ["crypto.tls"])],
    "rc4": [("tls.suites", "fail", "algorithm.unlisted",
             {"algorithms": ["RC4-128"], "items": ["TLS_RSA_WITH_RC4_128_SHA"]}, ["crypto.tls"])],
    "static-rsa": [("tls.key_exchange", "warn", "algorithm.monitored",
                    {"algorithms": ["RSAES-PKCS1-v1_5"],
                     "items": ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"]},
                    ["crypto.tls"]),
                   ("tls.forward_secrecy", "warn", "tls.forward_secrecy.some",
                    {"count": 2,
                     "items": ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_RSA_WITH_AES_256_CBC_SHA"]},
                    ["crypto.forward_secrecy"])],
    "no-fs": [("tls.forward_secrecy", "fail", "tls.forward_secrecy.none",
               {"items": ["TLS_RSA_WITH_AES_128_CBC_SHA"]}, ["crypto.forward_secrecy"])],
    "expired": [("tls.cert.validity", "fail", "tls.cert.validity.expired", {"date": "2026-11-02"},
                 ["crypto.certificates"])],
    "name": [("tls.cert.name", "fail", "tls.cert.name.mismatch", {}, ["crypto.certificates"])],
    "rsa2048": [("tls.strength_until", "fail", "tls.strength_until.year",
                 {"until": 2030, "items": ["RSA 2048"], "min": 2031}, ["crypto.strength_2031"])],
    "refused": [("tls.version", "unknown", "endpoint.refused", {}, "all")],
    "stale": [(None, "stale", None, None, "all")],
    "missing": [(None, "missing", None, None, "all")],
}

# id, ja, en, area, class, sector, subjects, {fault: how many}, minutes since the last report
NATION = [
    ("records", "記録省", "Ministry of Records", "central-government", "ministry", None, 24,
     {"rsa2048": 5}, 3),
    ("waterways", "水路省", "Ministry of Waterways", "central-government", "ministry", None, 31,
     {"tls10": 6, "static-rsa": 4, "rsa2048": 9, "expired": 1}, 12),
    ("calendar", "暦象庁", "Calendar Agency", "central-government", "ministry", None, 8, {}, 7),
    ("statistics", "独立行政法人 統計基盤センター", "Statistics Foundation Centre", "central-government",
     "incorporated", None, 12, {"refused": 3, "rsa2048": 2}, 41),
    ("pref-aoba", "青葉県", "Aoba Prefecture", "local-government", "prefecture", None, 18,
     {"rsa2048": 4, "static-rsa": 1}, 9),
    ("city-midori", "みどり市", "Midori City", "local-government", "municipality", None, 9,
     {"tls10": 3, "no-fs": 2, "name": 1, "rsa2048": 3}, 26),
    ("town-kawabe", "川辺町", "Kawabe Town", "local-government", "municipality", None, 4, {"missing": 4},
     None),
    ("touno-power", "東野電力", "Touno Electric Power", "critical-infrastructure", "operator",
     "electricity", 15, {"rsa2048": 2}, 5),
    ("minato-bank", "みなと銀行", "Minato Bank", "critical-infrastructure", "operator", "finance", 22,
     {}, 2),
    ("coast-rail", "海岸鉄道", "Coast Railway", "critical-infrastructure", "operator", "railway", 10,
     {"stale": 6, "rc4": 2, "rsa2048": 1}, 3190),
    ("yamate", "山手商事", "Yamate Trading", "business", "company", None, 6,
     {"expired": 1, "rsa2048": 1}, 18),
    ("survey", "生活調査センター", "Household Survey Centre", "individual", "survey-body", None, 2, {}, 33),
]

QUICKSTART = [
    ("modern", "新しい設定の機関", "Agency with modern servers", "central-government", "ministry", None, 2,
     {}, 0),
    ("legacy", "古い設定の機関", "Agency with legacy servers", "local-government", "municipality", None, 2,
     {"tls10": 2, "no-fs": 2, "rsa2048": 2}, 0),
]


PATTERN = "tls://*.town-kawabe.example:443"


# Agency, subject and check that fail with an exception that holds.
EXCEPTED = ("waterways", 14, "tls.version")


def stamp(minutes_ago):
    t = NOW - datetime.timedelta(minutes=minutes_ago)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{t.microsecond // 1000:03d}Z"


def agency_entry(row):
    ident, ja, en, area, cls, sector, size, _, _ = row
    entry = {"id": ident, "name": {"ja": ja, "en": en}, "area": area, "class": cls, "sector": sector,
             "max_subjects": 10000,
             "inventory": [{"kind": "tls", "subject": subject(ident, i)} for i in range(size)]}
    if ident == "town-kawabe":
        entry["inventory"] = [{"kind": "tls", "pattern": PATTERN, "expected": size}]
    if ident == "waterways":
        entry["exceptions"] = [
            {"subject": subject(ident, 2), "check": "tls.version", "owner": "水路省 情報システム課",
             "reason": "港湾端末の更改（2027年2月）まで TLSv1.0 を継続", "expires": "2027-03-31"},
            {"subject": subject(ident, 9), "check": "tls.key_exchange", "owner": "水路省 情報システム課",
             "reason": "旧端末との接続試験", "expires": "2026-09-30"},
            {"subject": subject(ident, EXCEPTED[1]), "check": EXCEPTED[2], "owner": "水路省 情報システム課",
             "reason": "港湾端末の更改（2027年2月）まで旧バージョンを継続", "expires": "2027-03-31"}]
    return entry


def subject(ident, i):
    host = ["www", "mail", "portal", "api", "apply", "open-data", "sso", "vpn"][i % 8]
    host += str(i // 8 + 1) if i >= 8 else ""
    return f"tls://{host}.{ident}.example:443"


def subjects_of(row, rng):
    """One list of faults per subject; faults that mean "not measured" come last and stand alone."""
    ident, _, _, _, _, _, size, faults, minutes = row
    found = [[] for _ in range(size)]
    silent = [f for f in ("missing", "stale", "refused") if f in faults]
    end = size
    for fault in silent:
        for i in range(end - faults[fault], end):
            found[i] = [fault]
        end -= faults[fault]
    for fault, n in faults.items():
        if fault in silent:
            continue
        for i in sorted(rng.sample(range(end), min(n, end))):
            found[i].append(fault)
    return found


def not_achieved(row, found, criterion, rng):
    ident, minutes = row[0], row[8]
    listed = []
    if ident == "town-kawabe":  # a pattern is listed once, with the number that is missing
        return [{"agency": ident, "subject": PATTERN, "result": "missing", "args": {"missing": len(found)},
                 "since": stamp(60 * 24 * 20)}]
    for i, faults in enumerate(found):
        for fault in faults:
            for check, result, code, args, criteria in FAULTS[fault]:
                if criteria != "all" and criterion["id"] not in criteria:
                    continue
                since = {"missing": 60 * 24 * 20, "stale": 3190 - 2880}.get(
                    result, 60 * 24 * (5 + 13 * (i % 7)))
                item = {"agency": ident, "subject": subject(ident, i), "result": result}
                if check:
                    item["check"] = criterion["checks"][0]["check"] if result == "unknown" else check
                    item["code"] = code
                    item["args"] = dict(args, address=f"203.0.113.{i + 1}")
                    if check.startswith("tls.cert."):
                        item["args"]["subject"] = "CN=" + subject(ident, i)[6:-4]
                item["since"] = stamp(since)
                if result != "missing":
                    item["reporter"] = f"noc1.{ident}.example"
                    item["time"] = stamp((minutes or 0) + i % 3)
                if (ident, i, check) == EXCEPTED:
                    item["excepted"] = True
                listed.append(item)
    return listed


def worst(results):
    for r in ("fail", "missing", "stale", "unknown", "warn"):
        if r in results:
            return r
    return "pass"


def counts_of(found, criterion):
    counts = dict.fromkeys(["pass", "warn", "fail", "unknown", "na", "stale", "missing", "excepted"], 0)
    for faults in found:
        results = {result for f in faults for _, result, _, _, criteria in FAULTS[f]
                   if criteria == "all" or criterion["id"] in criteria}
        counts[worst(results)] += 1
    return counts


def evaluation(scope, criterion, counts, items, times):
    expected = sum(counts[k] for k in ("pass", "warn", "fail", "unknown", "stale", "missing"))
    measured = counts["pass"] + counts["warn"] + counts["fail"]
    achieved = counts["pass"] / expected if expected else None
    target = criterion["targets"]["FY2026"]
    status = "unmeasured" if expected == counts["missing"] else "met" if achieved >= target else "not_met"
    return {"schema": "posture.evaluation/1", "id": f"{scope[0]}/{scope[1]}/{criterion['id']}/FY2026",
            "time": stamp(0), "scope": {"type": scope[0], "id": scope[1]},
            "criterion": criterion["id"], "period": "FY2026",
            "profile": {"id": "cryptrec-ls0001-2022r2", "digest": "0a1b2c3d4e5f"},
            "catalogue_digest": "111111111111", "registry_digest": "222222222222",
            "expected": expected, "passing": counts["pass"], "achieved": achieved,
            "covered": measured, "coverage": measured / expected if expected else None,
            "of_measured": counts["pass"] / measured if measured else None,
            "target": target, "status": status, "counts": counts, "unregistered": 0,
            "oldest_report": min(times) if times else None,
            "newest_report": max(times) if times else None,
            "not_achieved": items, "truncated": False}


def nation(rows, seed=1, list_max=None):
    rng = random.Random(seed)
    evaluations, totals, times_of = [], {}, {}
    reports = []
    for row in rows:
        found = subjects_of(row, rng)
        minutes = row[8]
        times = [] if minutes is None else [stamp(minutes + i) for i in (0, 55)]
        if minutes is not None:
            reports.append({"agency": row[0], "kind": "tls", "time": stamp(minutes)})
            reports.append({"agency": row[0], "kind": "reporter", "time": stamp(min(minutes, 1))})
        for criterion in CRITERIA:
            if row[3] not in criterion["areas"]:
                continue
            counts = counts_of(found, criterion)
            items = not_achieved(row, found, criterion, rng)
            counts["excepted"] = len({item["subject"] for item in items if item.get("excepted")})
            cut = list_max is not None and len(items) > list_max
            made = evaluation(("agency", row[0]), criterion, counts,
                              items[:list_max] if cut else items, times)
            made["truncated"] = cut
            evaluations.append(made)
            scopes = [("area", row[3]), ("nation", "jp")] + ([("sector", row[5])] if row[5] else [])
            for scope in scopes:
                total = totals.setdefault((scope, criterion["id"]), dict.fromkeys(counts, 0))
                for key, n in counts.items():
                    total[key] += n
                times_of.setdefault((scope, criterion["id"]), []).extend(times)
    for criterion in CRITERIA:
        for (scope, ident), counts in totals.items():
            if ident == criterion["id"]:
                evaluations.append(evaluation(scope, criterion, counts, [], times_of[(scope, ident)]))
    return {"schema": "posture.nation/1", "time": stamp(0), "fiscal_year": 2026,
            "registry": {"schema": "posture.registry/1", "max_interval_s": {"tls": 86400},
                         "agencies": [agency_entry(r) for r in rows]},
            "catalogue": {"schema": "posture.catalogue/1", "criteria": CRITERIA},
            "evaluations": evaluations,
            "profile": {"id": "cryptrec-ls0001-2022r2", "digest": "0a1b2c3d4e5f",
                        "title": {"ja": "CRYPTREC 暗号リスト LS-0001-2022R2",
                                  "en": "CRYPTREC Ciphers List LS-0001-2022R2"}},
            "gate": {"accepted": 48213, "rejected": {"schema": 11, "agency_unknown": 2, "too_large": 1},
                     "duplicates": 37, "acknowledgements": 5, "clock_ahead": 3,
                     "sequence_missing": 0, "new_epochs": 14},
            "last_report": reports, "lag": 4}


def hostile():
    """Markup, quotes, controls and direction marks wherever a document has text."""
    evil = "</td><script>alert(1)</script>\"'&<b>\u202egnp.exe\u0007"
    made = nation(NATION[:2])
    made["registry"]["agencies"][0]["name"] = {"ja": evil, "en": evil}
    made["registry"]["agencies"][0]["sector"] = evil
    made["registry"]["agencies"][0]["exceptions"] = [
        {"subject": evil, "check": evil, "reason": evil, "owner": evil, "expires": evil}]
    made["profile"]["title"] = {"ja": evil, "en": evil}
    made["profile"]["id"] = "a\\b\"c\nd"
    made["gate"]["rejected"] = {evil: 3, "back\\slash": 1}
    criterion = json.loads(json.dumps(CRITERIA[0]))
    criterion.update({"title": {"ja": evil, "en": evil}, "source": evil,
                      "recommendation": {"ja": evil, "en": evil}, "checks": [{"check": evil}]})
    made["catalogue"]["criteria"] = [criterion] + CRITERIA[1:]
    for made_eval in made["evaluations"]:
        for item in made_eval["not_achieved"]:
            item.update({"subject": evil, "reporter": evil, "code": evil, "args": {"version": evil}})
    return made


def large(n):
    rng = random.Random(7)
    areas = [("central-government", "ministry", None), ("local-government", "municipality", None),
             ("critical-infrastructure", "operator", "finance"), ("business", "company", None)]
    rows = []
    for i in range(n):
        area, cls, sector = areas[min(i % 20, 3) if i % 20 != 3 else 1] if i % 4 else areas[1]
        faults = {f: rng.randint(0, 3) for f in ("tls10", "static-rsa", "rsa2048") if rng.random() < 0.4}
        rows.append((f"agency-{i:04d}", f"架空市{i}", f"Example City {i}", area, cls, sector, 8, faults,
                     rng.randint(0, 600)))
    return nation(rows, list_max=20)


def make(what, *args):
    if what == "nation":
        return nation(NATION)
    if what == "quickstart":
        return nation(QUICKSTART)
    if what == "empty":
        return dict(nation([]), gate={}, lag=0)
    if what == "hostile":
        return hostile()
    if what == "large":
        return large(int(args[0]))
    raise SystemExit(f"nation_make.py: unknown document {what}")


def text(document):
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


FIXTURES = ["empty", "hostile", "nation", "quickstart"]

if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        for name in FIXTURES:
            (pathlib.Path(sys.argv[2]) / f"{name}.json").write_text(text(make(name)), encoding="utf-8")
    else:
        sys.stdout.write(text(make(*sys.argv[1:])))
