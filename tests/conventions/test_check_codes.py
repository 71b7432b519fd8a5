# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Every reason code that checks give is in schemas/checks.json, and the reverse."""

import json
import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ["POSTURE_SOURCE_DIR"])
REGISTRY = json.loads((SOURCE / "schemas/checks.json").read_text("utf-8"))
IDS = {check["id"] for check in REGISTRY["checks"]}
CODES = {code: text for check in REGISTRY["checks"] for code, text in check["codes"].items()}
CODES |= REGISTRY["codes"]

# What a server or host does beside its algorithms: names that rows of profiles may have, and no codes.
FEATURES = {name for entry in json.loads((SOURCE / "schemas/classes.json").read_text("utf-8"))["classes"]
            if entry["class"] in ("feature", "host_feature") for name in entry["names"]}

# A code's first word: what a check is about, or one of the shared families.
FAMILIES = {check.split(".")[0] for check in IDS} | {code.split(".")[0] for code in CODES}
LITERAL = re.compile(r'"((?:%s)(?:\.[a-z0-9_]+)+)"' % "|".join(sorted(FAMILIES)))


def check_sources():
    yield from sorted((SOURCE / "plugins/common/checks").glob("*.c"))
    for plugin in sorted((SOURCE / "plugins").glob("posture_*")):
        yield from (p for p in sorted(plugin.glob("*.c"))
                    if re.search(r"_(checks|facts|types)\.c$", p.name))


def codes_in_c():
    found = set()
    for path in check_sources():
        found |= set(LITERAL.findall(path.read_text("utf-8")))
    return found


def test_every_code_in_c_has_its_sentence():
    assert codes_in_c() - IDS - FEATURES - set(CODES) == set()


def test_every_sentence_is_given_by_some_check():
    assert set(CODES) - codes_in_c() == set()


def test_every_check_is_judged():
    assert IDS - codes_in_c() == set()


def test_both_languages_say_the_same_arguments():
    for code, text in CODES.items():
        arguments = [set(re.findall(r"\{([a-z_]+)\}", text[lang])) for lang in ("ja", "en")]
        assert arguments[0] == arguments[1], code


def test_sentences_end():
    for code, text in CODES.items():
        assert text["ja"].endswith("。"), code
        assert text["en"].endswith("."), code
