# SPDX-License-Identifier: MIT
# Copyright The posture authors
"""The comparison as Markdown: one line per server and tool, one column per field, then every kind of difference once."""

from . import compare

HEADS = {"not_before": "not before", "not_after": "not after", "sans": "SANs"}


def groups(rows):
    """Differences of one rule, of one server and tool, together: {(rule, sign): [text]}"""
    out = {}
    for d in rows:
        out.setdefault((id(d.rule), d.rule, d.sign), []).append(d.text)
    return out


def cell_text(cell, letters):
    if cell.agreed is None:
        return "·"
    marks = [f"{sign}{len(texts)} {letters.get(key, '**?**')}"
             for (key, _, sign), texts in sorted(groups(cell.differences).items(), key=lambda g: str(letters.get(g[0][0])))]
    return " ".join([str(cell.agreed), *marks])


def markdown(results, silent, fields=compare.FIELDS):
    """results: [(label, tool, {field: Cell})]"""
    used = []
    for _, _, cells in results:
        for cell in cells.values():
            for d in cell.differences:
                if d.rule and d.rule not in used:
                    used.append(d.rule)
    letters = {id(r): f"[{i}]" for i, r in enumerate(used, 1)}
    lines = ["A number: items that are the same. +n: n that only we found; -n: n that only the tool shows; ~n: n that both show "
             "differently; [k]: explanation k. · : the tool does not show it.", "",
             "| server | tool | " + " | ".join(HEADS.get(f, f) for f in fields) + " |", "|---|---" + "|---" * len(fields) + "|"]
    before = None
    for label, tool, cells in results:
        lines.append(f"| {label if label != before else ''} | {tool} | " + " | ".join(cell_text(cells[f], letters) for f in fields) + " |")
        before = label
    lines += ["", "Explanations:", ""]
    lines += [f"{i}. {r.tool}, {HEADS.get(r.field, r.field)}: {r.why}" for i, r in enumerate(used, 1)]
    lines += ["", "Not shown by a tool:", ""]
    lines += [f"- {tool}, {HEADS.get(field, field)}: {why}" for (tool, field), why in silent.items()]
    lines += ["", "Every difference:", ""]
    for label, tool, cells in results:
        for field in fields:
            for (key, rule, sign), texts in groups(cells[field].differences).items():
                lines.append(f"- {label}; {tool}; {HEADS.get(field, field)} {letters.get(key, '**not explained**')} {sign} " + "; ".join(texts))
    return "\n".join(lines) + "\n"
