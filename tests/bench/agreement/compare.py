# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""Two "found" (posture.py) field by field.

A difference has a sign: "+" only we have the item, "-" only the tool has it, "~" both have it with different values."""

import dataclasses

from . import names, posture

FIELDS = ("versions", "suites", "groups", "certificates", *posture.CERTIFICATE)


@dataclasses.dataclass
class Difference:
    field: str
    sign: str
    item: object
    text: str
    version: str = ""
    rule: object = None


@dataclasses.dataclass
class Cell:
    """agreed: how many items are the same; None when the tool does not show the field."""

    agreed: int | None = None
    differences: list = dataclasses.field(default_factory=list)

    def sets(self, field, ours, theirs, text=str, version=""):
        self.agreed = (self.agreed or 0) + len(ours & theirs)
        for item in sorted(ours ^ theirs, key=str):
            self.differences.append(Difference(field, "+" if item in ours else "-", item, f"{version} {text(item)}".strip(), version))


def suite_text(code):
    return names.SUITE_NAMES.get(code, f"0x{code:04X}" if isinstance(code, int) else str(code))


def group_text(code):
    return names.GROUP_NAMES.get(code, f"0x{code:04X}")


def certificate_text(c):
    who = c["subject"] if isinstance(c["subject"], str) else names.common_name(c["subject"])
    return f"{who} ({c['key']})"


def certificates(cells, ours, theirs, view):
    mine = {c["sha256"]: c for chain in ours for c in chain}
    others = {c["sha256"]: c for chain in theirs for c in chain}
    cells["certificates"].agreed = len(set(mine) & set(others))
    leaves = {chain[0]["sha256"] for chain in ours}
    for sha in sorted(set(mine) ^ set(others)):
        which, sign = (mine[sha], "+") if sha in mine else (others[sha], "-")
        place = "" if sign == "-" else "leaf " if sha in leaves else "above the leaf "
        cells["certificates"].differences.append(
            Difference("certificates", sign, "leaf" if sha in leaves else "above", place + certificate_text(which)))
    orders = [[c["sha256"] for c in chain] for chain in ours]
    for chain in theirs:
        shown = [c["sha256"] for c in chain]
        if set(shown) <= set(mine) and not any(order[:len(shown)] == shown for order in orders):
            cells["certificates"].differences.append(Difference("certificates", "~", "order", "another order of the chain"))
    for sha in sorted(set(mine) & set(others)):
        for field in posture.CERTIFICATE:
            if field not in others[sha]:
                continue
            a, b = view.get(field, lambda v: v)(mine[sha][field]), others[sha][field]
            cell = cells[field]
            cell.agreed = (cell.agreed or 0) + (a == b)
            if a != b:
                cell.differences.append(Difference(field, "~", (a, b), f"{certificate_text(mine[sha])}: ours {show(a)}, theirs {show(b)}"))


def show(value):
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, tuple):
        return ",".join(f"{k}={v}" for k, v in value)
    return str(value)


def compare(ours, theirs, view):
    """{field: Cell}"""
    cells = {field: Cell() for field in FIELDS}
    cells["versions"].sets("versions", ours["versions"], theirs["versions"])
    for version in sorted(ours["versions"] & theirs["versions"]):
        cells["suites"].sets("suites", ours["suites"].get(version, set()), theirs["suites"].get(version, set()), suite_text, version)
    if theirs["groups"] is not None:
        cells["groups"].sets("groups", ours["groups"], theirs["groups"], group_text)
    if theirs["chains"] is not None:
        certificates(cells, ours["chains"], theirs["chains"], view)
    return cells
