# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Conventions that the build does not enforce by itself (DESIGN section 6, STYLE)."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("POSTURE_BUILD_DIR", TOP / "build" / "dev"))
PLUGINS = ["posture_crypto", "posture_kafka", "posture_criteria"]


def tracked(*suffixes):
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TOP, check=True,
                            capture_output=True, text=True).stdout.splitlines()
    return [TOP / name for name in listed
            if (not suffixes or name.endswith(suffixes)) and (TOP / name).is_file()]


def c_files():
    return tracked(".c", ".h")


def includes(path):
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', path.read_text(), re.M)


def test_root_holds_only_what_the_design_lists():
    allowed = {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE",
               "plugins", "schemas", "dashboards", "tests", "contrib"}
    found = {path.relative_to(TOP).parts[0] for path in tracked()}
    assert {name for name in found if not name.startswith(".")} <= allowed


def test_every_source_names_its_licence():
    without = [str(path.relative_to(TOP)) for path in tracked(".c", ".h", ".py", ".cmake", "CMakeLists.txt")
               if "SPDX-License-Identifier: MIT" not in path.read_text()[:300]]
    assert not without


def test_files_stay_readable():
    long = {str(p.relative_to(TOP)): n for p in c_files()
            if "/plugins/" in str(p) and not p.name.endswith("_test.c") and (n := len(p.read_text().splitlines())) > 600}
    assert not long, "a file past 600 lines needs splitting"


# The layers of plugins/common and what each may include (DESIGN section 6).
LAYERS = {
    "base": {"base"},
    "report": {"base", "report"},
    "checks": {"base", "report", "checks"},
    "net": {"base", "net", "report"},
    "http": {"base", "http"},
    "ssh": {"base", "net", "report", "ssh"},
    "tls": {"base", "net", "report", "tls"},
    "spool": {"base", "report", "spool"},
    "kafka": {"base", "report", "kafka"},
    "host": {"base", "host", "spool"},
}
SOCKETS = re.compile(r"<(sys/socket|netinet/|arpa/|netdb|uv|collectd|plugin|librdkafka|sqlite3|microhttpd)")


def test_common_follows_its_layers():
    wrong = []
    for path in c_files():
        parts = path.relative_to(TOP).parts
        if parts[:2] != ("plugins", "common") or path.name.endswith("_test.c"):
            continue
        layer = parts[2]
        for name in includes(path):
            used = re.match(r'"common/([a-z]+)/', name)
            if used and used[1] not in LAYERS[layer]:
                wrong.append(f"{path.relative_to(TOP)}: {name}")
            if re.match(r'"posture_', name) or re.match(r'"posture/', name):
                wrong.append(f"{path.relative_to(TOP)}: {name} (common never includes a plugin)")
    assert not wrong


def test_plugins_do_not_include_each_other():
    wrong = []
    for path in c_files():
        parts = path.relative_to(TOP).parts
        if parts[0] != "plugins" or parts[1] == "common" or path.name.endswith("_test.c"):
            continue
        for name in includes(path):
            other = re.match(r'"(posture_[a-z]+|posture)/([^"]+)"', name)
            if not other or other[1] == parts[1]:
                continue
            # The program and the centre judge with every plugin's pure checks; the program also
            # fills the option tables of the workers that it starts.
            if parts[1] in ("posture", "posture_criteria") and re.search(r"_checks\.h$", other[2]):
                continue
            if parts[1] == "posture" and other[2] == "options.h":
                continue
            # The program and the centre share the evaluation and its documents, one HTML writer.
            if parts[1] == "posture" and other[1] == "posture_criteria":
                continue
            wrong.append(f"{path.relative_to(TOP)}: {name}")
    assert not wrong


def test_checks_and_wire_readers_have_no_sockets():
    wrong = []
    for path in c_files():
        relative = str(path.relative_to(TOP))
        is_pure = (relative.startswith("plugins/common/checks/") or
                   re.search(r"_(checks|wire)\.[ch]$", relative))
        if not is_pure:
            continue
        wrong += [f"{relative}: {name}" for name in includes(path) if SOCKETS.match(name)]
    assert not wrong


def test_collectd_is_included_by_the_host_alone():
    wrong = [str(path.relative_to(TOP)) for path in c_files()
             if any(name in ('"collectd.h"', '"plugin.h"', "<collectd.h>", "<plugin.h>") or
                    name.startswith('"daemon/') for name in includes(path))
             and "plugins/common/host/" not in str(path) and "tests/support/" not in str(path)
             and path.name != "plugin.c"]
    assert not wrong


def modules():
    return sorted(BUILD.glob("plugins/posture_*/posture_*.so"))


def test_plugins_export_one_symbol():
    found = modules()
    assert found, "no plugin was built"
    for module in found:
        out = subprocess.run(["nm", "-D", "--defined-only", "--format=posix", module], check=True,
                             capture_output=True, text=True).stdout
        names = {line.split()[0] for line in out.splitlines()}
        names -= {n for n in names if n.startswith(("__asan", "__odr_asan", "__ubsan", "__sancov"))}
        assert names == {"module_register"}, module.name


def test_plugins_need_no_big_library():
    """Everything that touches the network or a big library runs in a worker (DESIGN section 1)."""
    for module in modules():
        out = subprocess.run(["readelf", "-d", module], check=True, capture_output=True, text=True).stdout
        needed = set(re.findall(r"NEEDED.*\[([^\]]+)\]", out))
        needed = {n for n in needed if not re.match(r"lib(asan|ubsan|tsan)\.", n)}
        assert all(re.match(r"lib(c|pthread|m)\.so|ld-linux", n) for n in needed), (module.name, needed)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_sample_and_readme_equal_the_option_table(plugin):
    folder = TOP / "plugins" / plugin
    dump = BUILD / "tests" / "conventions" / "options_dump"
    assert dump.exists()
    sample = subprocess.run([dump, plugin, "sample"], check=True, capture_output=True, text=True).stdout
    table = subprocess.run([dump, plugin, "markdown"], check=True, capture_output=True, text=True).stdout
    readme = (folder / "README.md").read_text()
    assert (folder / f"{plugin}.conf").read_text() == sample, "run contrib/dev/update-samples"
    assert f"<!-- sample: begin -->\n```apache\n{sample}```\n<!-- sample: end -->" in readme, \
        "run contrib/dev/update-samples"
    assert f"<!-- options: begin -->\n{table}<!-- options: end -->" in readme, "run contrib/dev/update-samples"


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_readme_has_its_sections(plugin):
    text = (TOP / "plugins" / plugin / "README.md").read_text()
    headings = re.findall(r"^## (.+)$", text, re.M)
    wanted = ["Configuration", "Metrics", "Example output", "Failure behaviour", "Privileges and files"]
    assert [h for h in headings if h in wanted] == wanted


def test_every_fuzz_target_has_a_corpus():
    folder = TOP / "tests" / "fuzz"
    targets = sorted(folder.glob("fuzz_*.c"))
    assert targets
    for target in targets:
        corpus = folder / (target.stem + ".in")
        assert corpus.is_dir() and any(corpus.iterdir()), f"{target.name} has no corpus"
        assert (BUILD / "tests" / "fuzz" / target.stem).exists(), f"{target.name} is not built"


def test_format():
    tool = shutil.which("clang-format-14")
    assert tool, "clang-format-14 is not installed"
    files = [str(p) for p in c_files()]
    out = subprocess.run([tool, "--dry-run", "--Werror", *files], capture_output=True, text=True)
    assert out.returncode == 0, "run contrib/dev/format.sh\n" + out.stderr[:3000]


def test_unsafe_functions_are_not_used():
    banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|alloca|system|popen)\s*\(")
    wrong = []
    for path in c_files():
        if "/plugins/" not in str(path) or path.name.endswith(("_test.c", "_testing.h")):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if banned.search(line) and not line.lstrip().startswith(("*", "/*")):
                wrong.append(f"{path.relative_to(TOP)}:{number}: {line.strip()}")
    assert not wrong


def test_nothing_of_a_machine_is_committed():
    words = re.compile(r"/work/|/tmp/brief|sandboxing-egress|deb\.nodesource")
    wrong = []
    for path in tracked():
        if path == pathlib.Path(__file__).resolve():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if words.search(text):
            wrong.append(str(path.relative_to(TOP)))
    assert not wrong
