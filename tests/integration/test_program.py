# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The program posture: probe on real servers, judge, checks, spool; usage and exit statuses."""

import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import unicodedata

import jsonschema
import pytest

BUILD = pathlib.Path(os.environ["POSTURE_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["POSTURE_SOURCE_DIR"])
sys.path.insert(0, str(SOURCE / "tests/support"))
import tls_servers
from collectd import Collectd, wait_for

PROGRAM = BUILD / "plugins/posture/posture"
CASES = SOURCE / "plugins/posture_crypto/testdata"
PROFILES = ["cryptrec-ls0001-2022r2", "cryptrec-2003", "bod-18-01"]
# What changes how a terminal or a reader sees a line, and is never ours on a pipe.
DANGEROUS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def run(*args, stdin=None, **env):
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LC_ALL", "LANG", "LC_MESSAGES")}
    environment |= {"LC_ALL": "C.UTF-8"} | env
    return subprocess.run([PROGRAM, *args], input=stdin, capture_output=True, text=True, timeout=60, env=environment)


def case_report(name, **members):
    report = {"schema": "posture.report/1", "id": "01935b1c-7a2b-7c3d-8e4f-5a6b7c8d9e0f", "time": "2026-11-23T08:00:00.123Z",
              "interval_s": 3600, "agency": "moj", "reporter": "noc1.moj.example", "kind": "tls",
              "subject": "tls://www.example.go.jp:443",
              "facts": {"tls": json.loads((CASES / name / "facts.json").read_text("utf-8"))}}
    return report | members


def line(report):
    return json.dumps(report, ensure_ascii=False) + "\n"


def results(report):
    return {r["check"]: r["result"] for r in report["results"]}


@pytest.fixture(scope="module")
def certificates():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the worker, which has no rights, reads the trust store
        yield tls_servers.Certificates(folder)


@pytest.fixture(scope="module")
def modern(certificates, tmp_path_factory):
    ca = certificates.make_ca()
    with tls_servers.Nginx(tmp_path_factory.mktemp("modern"), [certificates.make("ec-P-256", ca=ca)],
                           ciphers="ECDHE+AESGCM:ECDHE+CHACHA20",
                           extra="ssl_conf_command SignatureAlgorithms ECDSA+SHA256:ECDSA+SHA384;") as server:
        server.ca = ca[0]
        yield server


@pytest.fixture(scope="module")
def legacy(certificates, tmp_path_factory):
    with tls_servers.Nginx(tmp_path_factory.mktemp("legacy"), [certificates.make("rsa1024")], protocols="TLSv1",
                           ciphers="AES128-SHA:AES256-SHA:@SECLEVEL=0") as server:
        yield server


# --- probe ---


def test_probe_modern_server_passes(modern):
    done = run("probe", f"127.0.0.1:{modern.port}", "--trust-store", modern.ca, "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["agency"] == "local"
    assert report["subject"] == f"tls://127.0.0.1:{modern.port}"
    got = results(report)
    assert {c: r for c, r in got.items() if r not in ("pass", "warn", "na")} == {}
    assert got["tls.version"] == got["tls.cert.chain"] == got["tls.cert.name"] == got["tls.forward_secrecy"] == "pass"


def test_probe_report_fits_its_schema(modern):
    report = json.loads(run("probe", f"127.0.0.1:{modern.port}", "--format", "json").stdout)
    resources = {}
    for path in [*SOURCE.glob("schemas/*.schema.json"), *SOURCE.glob("schemas/facts/*.schema.json")]:
        schema = json.loads(path.read_text("utf-8"))
        resources[schema["$id"]] = schema
    root = next(s for i, s in resources.items() if i.endswith("/report.v1.schema.json"))
    resolver = jsonschema.RefResolver(root["$id"], root, store=resources)
    jsonschema.Draft202012Validator(root, resolver=resolver).validate(report)


def test_probe_legacy_server_fails_with_reasons(legacy):
    done = run("probe", f"127.0.0.1:{legacy.port}")
    assert done.returncode == 0, done.stderr
    for text in ("TLSv1.2 is required and not offered", "rsa 1024", "No suite has it", "Too weak", "ssl_protocols TLSv1.2 TLSv1.3"):
        assert text in re.sub(r"\s+", " ", done.stdout), text
    assert not DANGEROUS.search(done.stdout)


def test_probe_in_japanese(legacy):
    done = run("probe", f"127.0.0.1:{legacy.port}", "--lang", "ja")
    text = re.sub(r"\s+", "", done.stdout)
    for word in ("不適合", "必須のTLSv1.2を提供していない", "証明書の鍵", "強度が足りない"):
        assert word in text, word
    assert "algorithms" not in text and "measured" not in text


def test_probe_language_from_locale(legacy):
    assert "不適合" in run("probe", f"127.0.0.1:{legacy.port}", LC_ALL="ja_JP.UTF-8").stdout


def test_probe_fail_on(legacy, modern):
    assert run("probe", f"127.0.0.1:{legacy.port}", "--fail-on", "fail").returncode == 3
    good = [f"127.0.0.1:{modern.port}", "--trust-store", modern.ca]
    assert run("probe", *good, "--fail-on", "fail").returncode == 0
    assert run("probe", *good, "--fail-on", "warn").returncode == 3  # no post-quantum hybrid in OpenSSL 3.0


def test_probe_at_moves_the_judgement_and_not_the_facts(certificates, tmp_path):
    with tls_servers.Nginx(tmp_path, [certificates.make("rsa2048", days=3650)]) as server:
        now = json.loads(run("probe", f"127.0.0.1:{server.port}", "--format", "json").stdout)
        later = json.loads(run("probe", f"127.0.0.1:{server.port}", "--format", "json", "--at", "2031-04-01").stdout)
    assert results(now)["tls.cert.key"] == "warn"
    assert results(later)["tls.cert.key"] == "fail"
    assert abs(int(now["time"][:4]) - int(later["time"][:4])) <= 1
    assert now["facts"]["tls"]["endpoints"][0]["chains"] == later["facts"]["tls"]["endpoints"][0]["chains"]


def test_probe_end_of_life_is_declared_and_judged(certificates, tmp_path):
    with tls_servers.Nginx(tmp_path, [certificates.make("rsa2048", days=3650)]) as server:
        done = run("probe", f"127.0.0.1:{server.port}", "--format", "json", "--end-of-life", "2032-03-31")
    report = json.loads(done.stdout)
    assert report["declared"] == {"planned_end": "2032-03-31"}
    assert results(report)["tls.strength_until"] == "fail"


def test_probe_name_with_two_addresses(certificates, tmp_path):
    """localhost: both addresses, told together when they are alike."""
    with tls_servers.Nginx(tmp_path, [certificates.make("ec-P-256")]) as server:
        done = run("probe", f"localhost:{server.port}", "--allow", "127.0.0.0/8", "--allow", "::1/128", "--format", "json")
        endpoints = json.loads(done.stdout)["facts"]["tls"]["endpoints"]
        assert "127.0.0.1" in {e["address"] for e in endpoints}
        refused = run("probe", f"localhost:{server.port}", "--format", "json")
        assert {e["error"]["code"] for e in json.loads(refused.stdout)["facts"]["tls"]["endpoints"]} == {"denied"}
        assert refused.returncode == 1


def test_probe_several_profiles_side_by_side(legacy):
    done = run("probe", f"127.0.0.1:{legacy.port}", "--profile", ",".join(PROFILES), COLUMNS="140")
    assert done.returncode == 0
    heading = next(l for l in done.stdout.splitlines() if all(p in l for p in PROFILES))
    row = next(l for l in done.stdout.splitlines() if l.strip("≠ ").startswith("TLS versions"))
    for profile, word in zip(PROFILES, ("✗ fail", "– na", "✓ pass")):
        assert row[heading.index(profile):].startswith(word)


def test_probe_several_profiles_as_json(legacy):
    done = run("probe", f"127.0.0.1:{legacy.port}", "--profile", ",".join(PROFILES), "--format", "json")
    reports = [json.loads(l) for l in done.stdout.splitlines()]
    assert [r["profile"] for r in reports] == PROFILES
    assert len({r["id"] for r in reports}) == 1


def test_probe_closed_port_is_not_measured():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    done = run("probe", f"127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stdout.count("The connection was refused.") == 2  # of the address, and for all checks at once
    assert "No check can be judged. The connection was refused." in done.stdout
    assert "fail" not in done.stdout.replace("--fail", "")


def test_probe_silent_server_ends_by_its_deadline():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(64)
        done = run("probe", f"127.0.0.1:{s.getsockname()[1]}", "--timeout", "0.5", "--deadline", "2", "--format", "json")
    assert done.returncode == 1
    assert set(results(json.loads(done.stdout)).values()) - {"na"} == {"unknown"}


def test_probe_list_file(modern, legacy, tmp_path):
    targets = tmp_path / "targets"
    targets.write_text(f"# two servers\n127.0.0.1:{modern.port}  # modern\n\ntls://127.0.0.1:{legacy.port}\n"
                       f"127.0.0.1:{modern.port}\n")
    done = run("probe", "-f", targets, "--format", "json")
    assert [json.loads(l)["subject"] for l in done.stdout.splitlines()] == \
        [f"tls://127.0.0.1:{modern.port}", f"tls://127.0.0.1:{legacy.port}"]  # each once, in order
    table = run("probe", "-f", "-", stdin=targets.read_text())
    assert "2 subjects" in table.stdout


def test_probe_list_error_names_the_line(tmp_path):
    targets = tmp_path / "targets"
    targets.write_text("127.0.0.1:443\n\nhttp://[x\n")
    done = run("probe", "-f", targets)
    assert done.returncode == 2
    assert f"{targets}:3:" in done.stderr
    targets.write_text("127.0.0.1:1 127.0.0.1:2  # two\n")
    done = run("probe", "-f", targets)
    assert done.returncode == 2
    assert f"{targets}:1: '127.0.0.1:1 127.0.0.1:2': expected one target a line" in done.stderr


def test_probe_worker_missing(tmp_path):
    done = run("probe", "127.0.0.1:1", "--worker-dir", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/posture-crypto" in done.stderr


def test_probe_worker_refuses_its_settings():
    done = run("probe", "127.0.0.1:1", "--allow", "not-a-prefix")
    assert done.returncode == 2
    assert "not-a-prefix" in done.stderr


def test_probe_worker_killed_is_told(tmp_path):
    """A worker that ends in the middle: what is missing is named, the status says so."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        s.settimeout(10)
        process = subprocess.Popen([PROGRAM, "probe", f"127.0.0.1:{s.getsockname()[1]}"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        s.accept()  # it is at work
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) == 1
        os.kill(int(children[0]), signal.SIGKILL)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "1 of 1 targets not reported" in errors


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives rights away")
def test_probe_worker_runs_without_rights(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        s.settimeout(10)
        process = subprocess.Popen([PROGRAM, "probe", f"127.0.0.1:{s.getsockname()[1]}", "--deadline", "2"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        s.accept()
        child = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        uids = re.search(r"^Uid:\s+(.*)$", pathlib.Path(f"/proc/{child}/status").read_text(), re.M).group(1).split()
        process.wait(timeout=20)
    assert "0" not in uids


def test_installed_program_finds_its_worker_and_data(modern):
    with tempfile.TemporaryDirectory() as prefix:
        os.chmod(prefix, 0o755)
        subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], check=True, capture_output=True)
        done = subprocess.run([f"{prefix}/bin/posture", "probe", f"127.0.0.1:{modern.port}", "--format", "json",
                               "--data-dir", f"{prefix}/share/posture"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert results(json.loads(done.stdout))["tls.version"] == "pass"
        os.unlink(f"{prefix}/libexec/posture/posture-crypto")
        done = subprocess.run([f"{prefix}/bin/posture", "probe", "127.0.0.1:1"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and f"{prefix}/bin/../libexec/posture/posture-crypto" in done.stderr


# --- the terminal ---


def on_terminal(args, columns=100, **env):
    """Runs with standard output and error on a terminal of its own; returns (status, what it showed)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8"} | env)
        os.environ.pop("COLUMNS", None)
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        os.execv(PROGRAM, [str(PROGRAM), *map(str, args)])
    shown = b""
    while select.select([fd], [], [], 60)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return status, shown.decode("utf-8")


def columns_of(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_terminal_has_colour_and_obeys_no_color(legacy):
    _, shown = on_terminal(["probe", f"127.0.0.1:{legacy.port}"])
    assert "\x1b[1;31m" in shown
    _, shown = on_terminal(["probe", f"127.0.0.1:{legacy.port}"], NO_COLOR="1")
    assert "\x1b" not in shown
    _, shown = on_terminal(["probe", f"127.0.0.1:{legacy.port}"], TERM="dumb")
    assert "\x1b" not in shown


@pytest.mark.parametrize("columns", [50, 80, 120])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_terminal_width_is_kept(legacy, lang, columns):
    _, shown = on_terminal(["probe", f"127.0.0.1:{legacy.port}", "--lang", lang, "--color", "never"], columns)
    for text in shown.replace("\r", "").split("\n"):
        words = max((columns_of(w) for w in re.split(r"[ \u3000-\u9fff]", text)), default=0)
        assert columns_of(text.rstrip()) <= columns or words > columns - 20, text


def test_terminal_columns_align_in_japanese(legacy):
    _, shown = on_terminal(["probe", f"127.0.0.1:{legacy.port}", "--lang", "ja", "--color", "never",
                            "--profile", ",".join(PROFILES)], 140)
    starts = {columns_of(row[:re.search("[✓✗!?–] ", row).start()]) for row in shown.split("\n")
              if re.match(r" {4}\S.*[✓✗!?–] .*[✓✗!?–] .*[✓✗!?–] ", row)}
    assert len(starts) == 1


def test_terminal_progress(modern, tmp_path):
    """Many targets: progress on the terminal while the reports go to a pipe."""
    targets = [f"127.0.0.{i}:{modern.port}" for i in range(1, 9)]
    master, slave = pty.openpty()
    process = subprocess.Popen([PROGRAM, "probe", *targets, "--format", "json", "--timeout", "1"], stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    out, shown = [], b""
    reader = threading.Thread(target=lambda: out.append(process.stdout.read()))
    reader.start()
    while True:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        if not data:
            break
        shown += data
    process.wait(timeout=30)
    reader.join()
    os.close(master)
    assert b"of 8" in shown
    assert shown.endswith(b"\r\x1b[K")
    assert len(out[0].splitlines()) == 8


def test_hostile_certificate_does_not_reach_the_terminal(tmp_path):
    stdin = tmp_path / "reports"
    stdin.write_text(line(case_report("hostile-strings")), "utf-8")
    for fmt in ("table", "json"):
        _, shown = on_terminal(["judge", stdin, "--format", fmt, "--color", "never", "--verbose"])
        assert not DANGEROUS.search(shown.replace("\r\n", "\n")), fmt
    _, shown = on_terminal(["judge", stdin, "--format", "table", "--color", "never"])
    assert "\\x1b[2J\\u{202e}evil\\x07" in re.sub(r"\s", "", shown)


def test_hostile_line_is_escaped_in_the_complaint():
    done = run("judge", stdin='{"schema":"\\u001b[31m\\u202e"}\n{"a\x1b":\n')
    assert done.returncode == 1
    assert not DANGEROUS.search(done.stderr)


# --- judge ---


@pytest.mark.parametrize("name", sorted(p.parent.name for p in CASES.glob("*/at")))
def test_judge_gives_what_the_golden_case_says(name):
    folder = CASES / name
    declared = folder / "declared.json"
    members = {"declared": json.loads(declared.read_text())} if declared.exists() else {}
    done = run("judge", "--at", (folder / "at").read_text().strip(), "--profile", (folder / "profile").read_text().strip(),
               stdin=line(case_report(name, **members)))
    assert done.returncode == 0, done.stderr
    expected = [{k: v for k, v in r.items() if k != "until"} for r in json.loads((folder / "expected.json").read_text("utf-8"))]
    got = json.loads(done.stdout)
    assert got["results"] == expected
    assert got["facts"] == case_report(name)["facts"]


def test_judge_replaces_the_results_that_came_along():
    report = case_report("legacy-everything", profile="x", results=[{"check": "tls.version", "result": "pass", "code": "tls.version.current"}])
    got = json.loads(run("judge", stdin=line(report)).stdout)
    assert got["profile"] == PROFILES[0]
    assert results(got)["tls.version"] == "fail"


def test_judge_by_default_at_the_time_of_measurement():
    report = case_report("modern-nginx", time="2051-05-01T00:00:00.000Z")
    assert results(json.loads(run("judge", stdin=line(report)).stdout))["tls.suites"] == "fail"


def test_judge_names_bad_lines_and_goes_on():
    good = line(case_report("modern-nginx"))
    other = line(case_report("modern-nginx", kind="device", subject="snmp://sw1.example", facts={"device": {}}))
    long = '{"x":"' + "y" * 300000 + '"}\n'
    done = run("judge", stdin=good + "not json\n\n" + '{"schema":"posture.report/2"}\n' + other + long + good.rstrip("\n"))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 2
    for text in ("stdin:2:", "stdin:4:", "stdin:5:", "stdin:6:", "device", "longer"):
        assert text in done.stderr, text
    assert "stdin:3:" not in done.stderr and "stdin:7:" not in done.stderr


def test_judge_as_a_table():
    done = run("judge", "--format", "table", "--at", "2031-04-01", stdin=line(case_report("rsa2048-2026")))
    assert done.returncode == 0
    assert "judged for 2031-04-01 00:00 JST" in done.stdout
    assert re.search(r"✗ Certificate keys +fail +rsa 2048", done.stdout)


def test_judge_of_a_file_that_is_not_there():
    done = run("judge", "/nonexistent/reports")
    assert done.returncode == 1
    assert "/nonexistent/reports" in done.stderr


def test_judge_own_profile_with_an_error_names_the_row(tmp_path):
    profile = json.loads((SOURCE / "schemas/profiles/bod-18-01.json").read_text("utf-8"))
    profile["rows"][2]["tier"] = "fine"
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(profile))
    done = run("judge", "--profile", path, stdin=line(case_report("modern-nginx")))
    assert done.returncode == 2
    assert "rows[2] (version TLSv1.0): tier" in done.stderr


SIDE_BY_SIDE = ["cryptrec-ls0001-2022r2", "ncsc-nl-2025", "itsp-40-062", "mozilla-intermediate", "mozilla-modern", "bod-18-01"]


@pytest.mark.parametrize("columns, cell", [(60, "✓"), (80, "✓"), (150, "✓ {}"), (220, "✓ {}")])
@pytest.mark.parametrize("lang", ["ja", "en"])
def test_judge_side_by_side_fits_the_terminal(lang, columns, cell):
    done = run("judge", "--format", "table", "--lang", lang, "--profile", ",".join(SIDE_BY_SIDE), COLUMNS=str(columns),
               stdin=line(case_report("rsa2048-2026")))
    assert done.returncode == 0, done.stderr
    rows = done.stdout.split("\n")
    for profile in SIDE_BY_SIDE:  # above its column, or in the legend: never cut
        assert re.search(rf"(^|\s){profile}(\s|$)", done.stdout), profile
    key, version = ("証明書の鍵", "証明書の有効期間") if lang == "ja" else ("Certificate keys", "Certificate validity")
    key_row = next(r for r in rows if re.match(rf" {{4}}≠ {key} ", r))  # they disagree
    same_row = next(r for r in rows if re.match(rf" {{6}}{version} ", r))  # they do not
    marks = re.findall("[✓✗!?–]", key_row)
    assert marks == ["!", "!", "✓", "✓", "✗", "–"]
    assert re.findall("[✓✗!?–]", same_row) == ["✓"] * 6
    assert (cell.format("適合" if lang == "ja" else "pass") in key_row) and columns_of(key_row.rstrip()) <= columns
    # Each column begins where its heading does.
    heading = next(r for r in rows if r.split() in (SIDE_BY_SIDE, list("123456")))
    starts = [m.start() for m in re.finditer(r"\S+", heading)]
    at, widths = 0, {}
    for number, char in enumerate(key_row):
        widths[at] = number
        at += columns_of(char)
    assert [key_row[widths[start]] for start in starts] == marks


def test_judge_side_by_side_as_json():
    done = run("judge", "--profile", ",".join(SIDE_BY_SIDE), stdin=line(case_report("rsa2048-2026")))
    reports = [json.loads(text) for text in done.stdout.splitlines()]
    assert [r["profile"] for r in reports] == SIDE_BY_SIDE
    assert len({r["id"] for r in reports}) == 1
    assert [results(r)["tls.cert.key"] for r in reports] == ["warn", "warn", "pass", "pass", "fail", "na"]


def test_judge_says_whether_the_planned_end_or_the_date_is_the_reason():
    planned = case_report("rsa2048-2026", declared={"planned_end": "2032-03-31"})
    code = {}
    for at in ("2026-11-23", "2031-04-01"):
        got = json.loads(run("judge", "--at", at, stdin=line(planned)).stdout)
        found = {r["check"]: r for r in got["results"]}
        code[at] = found["tls.cert.key"]["code"], found["tls.strength_until"]["code"]
        assert found["tls.strength_until"]["args"]["until"] == 2030
        assert found["tls.strength_until"]["args"]["legacy_until"] == 2040
    assert code == {"2026-11-23": ("algorithm.not_allowed_planned", "tls.strength_until.over_planned"),
                    "2031-04-01": ("algorithm.not_allowed", "tls.strength_until.over")}
    shown = run("judge", "--format", "table", "--at", "2026-11-23", stdin=line(planned), COLUMNS="200").stdout
    assert "operation is planned until 2032-03-31" in shown and "may be processed (verified, decrypted) until 2040" in shown


def exceptions_file(tmp_path, *entries):
    path = tmp_path / "exceptions.json"
    path.write_text(json.dumps({"schema": "posture.exceptions/1", "exceptions": [
        {"subject": "tls://www.example.go.jp:443", "reason": "Old terminals", "owner": "NW section"} | entry for entry in entries]}))
    return path


def test_judge_shows_exceptions_and_passes_nothing(tmp_path):
    path = exceptions_file(tmp_path, {"check": "tls.version", "expires": "2027-03-31"}, {"check": "tls.suites", "expires": "2026-03-31"},
                           {"check": "tls.cert.name", "expires": "2027-03-31", "subject": "tls://www2.example.go.jp:443"})
    report = line(case_report("legacy-everything"))
    plain, excepted = (json.loads(run("judge", *more, stdin=report).stdout) for more in ([], ["--exceptions", path]))
    assert results(plain) == results(excepted)
    found = {r["check"]: r["exception"] for r in excepted["results"] if "exception" in r}
    assert found == {
        "tls.version": {"reason": "Old terminals", "owner": "NW section", "expires": "2027-03-31", "expired": False},
        "tls.suites": {"reason": "Old terminals", "owner": "NW section", "expires": "2026-03-31", "expired": True}}
    shown = run("judge", "--format", "table", "--exceptions", path, "--fail-on", "fail", stdin=report, COLUMNS="120")
    assert shown.returncode == 3  # an exception takes nothing away
    assert re.search(r"✗ TLS versions +fail", shown.stdout)
    assert "Exception until 2027-03-31: Old terminals (NW section)" in shown.stdout
    assert "Exception expired 2026-03-31: Old terminals (NW section)" in shown.stdout
    assert "(1 excepted)" in shown.stdout
    later = run("judge", "--format", "table", "--lang", "ja", "--exceptions", path, "--at", "2027-04-01", stdin=report, COLUMNS="120").stdout
    assert "期限切れの例外(2027-03-31まで): Old terminals(NW section)" in later and "うち例外" not in later


def test_judge_refuses_a_bad_exception(tmp_path):
    path = exceptions_file(tmp_path, {"check": "tls.version", "expires": "2027-03-31"}, {"check": "tls.suits", "expires": "2027-03-31"})
    done = run("judge", "--exceptions", path, stdin=line(case_report("modern-nginx")))
    assert done.returncode == 2 and done.stdout == ""
    assert "exceptions.json" in done.stderr and 'exceptions[1]: there is no check "tls.suits"; did you mean "tls.suites"?' in done.stderr


def test_judge_counts_are_told_at_the_end():
    done = run("judge", "--format", "table", stdin=line(case_report("legacy-everything")) * 2 + line(case_report("refused")))
    assert "3 subjects" in done.stdout
    assert "1 could not be measured" in done.stdout


# --- checks ---


def test_checks_list_and_one():
    registry = json.loads((SOURCE / "schemas/checks.json").read_text("utf-8"))
    listed = run("checks").stdout
    for check in registry["checks"]:
        assert check["id"] in listed
        for lang in ("ja", "en"):
            shown = re.sub(r"\s", "", run("checks", check["id"], "--lang", lang).stdout)
            for part in ("question", "why", "remedy"):
                assert re.sub(r"\s", "", check[part][lang]) in shown
    done = run("checks", "tls.nothing")
    assert done.returncode == 2 and "tls.nothing" in done.stderr


@pytest.mark.parametrize("word, meant", [("tls.suits", "tls.suites"), ("suites", "tls.suites"), ("TLS.version", "tls.version"),
                                         ("nosuch", None)])
def test_checks_unknown_names_the_nearest(word, meant):
    done = run("checks", word)
    assert done.returncode == 2 and done.stdout == ""
    assert f"no check '{word}'" in done.stderr
    assert (f"did you mean '{meant}'?" if meant else "lists them") in done.stderr


def test_checks_of_a_group():
    registry = json.loads((SOURCE / "schemas/checks.json").read_text("utf-8"))
    shown = [json.loads(text)["id"] for text in run("checks", "tls.cert.", "--format", "json").stdout.splitlines()]
    assert shown == [c["id"] for c in registry["checks"] if c["id"].startswith("tls.cert.")] and shown


# --- spool, usage ---


def test_spool_without_a_socket(tmp_path):
    done = run("spool", "stats", "--socket", tmp_path / "none.sock")
    assert done.returncode == 1
    assert "none.sock" in done.stderr


@pytest.mark.parametrize("args, says", [
    ([], "usage"), (["prob"], "'prob'"), (["probe"], "no target"), (["probe", "--format", "xml", "x"], "table or json"),
    (["probe", "--at", "tomorrow", "x"], "2031-04-01"), (["probe", "--frobnicate"], "--frobnicate"),
    (["probe", "--profile"], "P[,P"), (["probe", "--kind", "device", "x"], "device"), (["probe", "snmp://h"], "snmp"),
    (["probe", "--timeout", "0", "x"], "seconds"), (["probe", "--agency", "A B", "x"], "agency"),
    (["probe", "--lang", "fr", "x"], "ja or en"), (["probe", "--fail-on", "unknown", "x"], "fail or warn"),
    (["probe", "--verbose=1", "x"], "no value"), (["probe", "--end-of-life", "2032", "x"], "2032-03-31"),
    (["probe", "--profile", "none-such", "127.0.0.1:1"], "none-such"), (["probe", "a b"], "a b"),
    (["judge", "--allow", "::/0"], "--allow"), (["spool", "show"], "number"), (["spool", "eat"], "'eat'"),
    (["spool", "list", "more"], "nothing"), (["checks", "--at", "2031-04-01"], "--at"),
])
def test_usage_errors_say_what_was_expected(args, says):
    done = run(*args)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""


def test_help_and_version():
    overview = [line for line in run("--help").stdout.splitlines() if line.startswith("  ")]
    assert len(overview) == 4
    assert all(line.endswith(".") for line in overview), overview
    assert re.fullmatch(r"posture \d+\.\d+\.\d+\n", run("--version").stdout)
    for command in ("probe", "judge", "checks", "spool"):
        done = run(command, "--help")
        assert done.returncode == 0 and f"usage: posture {command}" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="collectd runs as root here")
def test_spool_of_a_real_collectd_without_a_broker(modern):
    """What posture_crypto measured waits in posture_kafka's spool; the program sees it there."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        nowhere = s.getsockname()[1]  # bound and not listening: refused
        spool = pathlib.Path(tempfile.mkdtemp(prefix="posture-spool-"))
        shutil.chown(spool, "nobody")
        subject = f"tls://127.0.0.1:{modern.port}"
        blocks = {"posture_kafka": f'Agency "moj"\nReporter "noc1.moj.example"\nBrokers "127.0.0.1:{nowhere}"\nSecurity plaintext\n'
                                   f'SpoolDir "{spool}"\nSpoolReserveBytes 0',
                  "posture_crypto": f'<Endpoint "{subject}">\n</Endpoint>'}
        try:
            with Collectd(["cpu"], blocks) as collectd:
                collectd.start()
                arguments = ["--socket", collectd.spool_socket]

                def waiting():
                    done = run("spool", "list", "--format", "json", *arguments)
                    items = [json.loads(l) for l in done.stdout.splitlines()]
                    return next((i for i in items if i["key"] == f"moj|noc1.moj.example|tls|{subject}"), None)
                item = wait_for(waiting, 30, "the report in the spool")
                assert item["plugin"] == "posture_crypto" and item["type"] == "posture.report.v1"
                table = run("spool", *arguments)
                assert table.returncode == 0 and item["key"] in table.stdout
                shown = run("spool", "show", str(item["id"]), "--format", "json", *arguments)
                assert json.loads(shown.stdout)["subject"] == subject
                assert shown.stdout.count("\n") == 1
                judged = run("judge", "--format", "table", stdin=shown.stdout)
                assert judged.returncode == 0 and subject in judged.stdout
                assert '"facts"' in run("spool", "show", str(item["id"]), *arguments).stdout
                missing = run("spool", "show", "999999999", *arguments)
                assert missing.returncode == 1 and "999999999" in missing.stderr
                stats = json.loads(run("spool", "stats", "--format", "json", *arguments).stdout)
                assert stats["spooled"] >= 1 and stats["accepted"] == stats["delivered"] + stats["spooled"] + \
                    stats["evicted"] + stats["refused"] + stats["corrupt"] + stats["quarantined"]
                assert re.search(r"^spooled +\d+$", run("spool", "stats", *arguments).stdout, re.M)
                assert run("spool", "list", "--aside", *arguments).returncode == 0
        finally:
            shutil.rmtree(spool, ignore_errors=True)
