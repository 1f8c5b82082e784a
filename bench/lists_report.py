"""The report of ``bench.lists``: how long each page took, and how PostgreSQL found it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_READ = re.compile(r"(Seq Scan|Index Scan|Index Only Scan|Index Scan Backward|Bitmap Index Scan).*? (?:using|on) (\w+)")
# Read by all alike: rows by their keys, who is a member of what.
_ALWAYS = re.compile(r"auth_|workflows_|executions_project_|\w+_pkey$|executions_decision_")
_TIME = re.compile(r"Execution Time: ([\d.]+) ms")

_MOST_OF_A_LINE = 150

# Of which pages the whole plan is shown.
_WHOLE = (
    ("administrator", "executions", "last"),
    ("administrator", "executions?workflow_id=workflow-rare&status=failed", "first"),
    ("operator of 900 projects", "executions?status=cancelled", "first"),
    ("member of 5 projects", "executions", "first"),
    ("member of 5 projects", "gates?mine=true", "first"),
)

_HEAD = """# Performance of the lists

Written by `python -m bench.lists --report docs/performance.md` ([bench](../bench/README.md)); do not edit.

{count:,} executions in 1,001 projects, with three times as many documents, steps, attempts and model calls, six times
as many events, and half as many gates, a fifth of which are open. A fifth of the executions is of one project; those of
some projects are all older than 95 % of the rest; nothing was cancelled for most of a year.

Each page of 50 rows was asked for {requests} times of `manage.py web`, over one connection, on a machine of two cores
that also runs PostgreSQL and the client. Times are milliseconds from request to whole answer, authentication included.
"CPU" is what a request cost the web process, "statement" what the statement that finds the page took in PostgreSQL;
"reads" are the indexes and tables that it touched.

The bound is a p95 of {bound:.0f} ms for the first and the last page of executions; the slowest of those was
{runs:.0f} ms, of all pages of all lists {slowest:.0f} ms. The load average when it began was {others:.1f}: where
other work goes on beside it, times are longer than CPU and statement together, and the CPU counts more as well, on
cores that are shared.

What the plans rest on:

- Pages are found by key: what follows `(started_at, id)` is a place in an index, so the last page costs what the first
  costs.
- Each filter of executions has an index that ends in the order of the list. The indexes hold no column that a step
  changes: most writes of the engine touch no index at all.
- Somebody who sees at most 100 projects gets the first rows of each from the index by project, and the page from these.
  For others the newest rows are walked and each one's project looked up, since most are visible.
- Keys come first, the rest of the rows after: nothing else is sorted where no index has the order.
- Executions cannot be ordered by cost. The cost changes with every call, so an index on it would make each of these
  changes write to every index of the row; without one, every page would read all executions that match.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a page was found, and how many statements the request needed in all."""

    statements: int
    lines: list[str]

    @property
    def milliseconds(self) -> str:
        found = _TIME.search("\n".join(self.lines))
        return found[1] if found else ""

    @property
    def reads(self) -> str:
        """Name what the page was found by, in the order of the plan."""
        lines = [line for line in self.lines if "never executed" not in line]
        found = [f"{name} (whole)" if how == "Seq Scan" else name for how, name in _READ.findall("\n".join(lines))]
        telling = [name for name in dict.fromkeys(found) if not _ALWAYS.match(name)]
        return ", ".join(f"`{name}`" for name in telling)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One page of one list for one reader."""

    who: str
    path: str
    page: str
    rows: int
    p50: float
    p95: float
    cpu: float
    plan: Plan | None


def write_report(
    path: Path, measured: list[Measured], *, count: int, requests: int, bound: float, others: float
) -> None:
    """Write all figures, and some plans."""
    runs = [each.p95 for each in measured if each.path.startswith("executions") and each.page != "middle"]
    slowest = max(each.p95 for each in measured)
    parts = [_HEAD.format(count=count, requests=requests, bound=bound, runs=max(runs), slowest=slowest, others=others)]
    for who in dict.fromkeys(each.who for each in measured):
        parts.append(f"## {who.capitalize()}\n")
        parts.append("| List | Page | Rows | p50 | p95 | CPU | Statement | Reads |\n|---|---|---|---|---|---|---|---|")
        parts += [_row(each) for each in measured if each.who == who]
        parts.append("")
    parts.append("## Plans\n")
    for each in measured:
        if (each.who, each.path, each.page) in _WHOLE and each.plan is not None:
            parts.append(f"`GET /api/v1/{each.path}`, {each.page} page, {each.who}:\n\n```text")
            parts += [_clipped(line.replace(" loops=1)", ")")) for line in each.plan.lines if _is_told(line)]
            parts.append("```\n")
    path.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _row(each: Measured) -> str:
    statement, reads = (each.plan.milliseconds, each.plan.reads) if each.plan else ("", "")
    name = each.path.replace("|", "\\|")
    times = f"{each.p50:.0f} | {each.p95:.0f} | {each.cpu:.0f} | {statement}"
    return f"| `/{name}` | {each.page} | {each.rows} | {times} | {reads} |"


def _clipped(line: str) -> str:
    return line if len(line) <= _MOST_OF_A_LINE else f"{line[:_MOST_OF_A_LINE]} ..."


def _is_told(line: str) -> bool:
    """Leave out what says nothing about the way that was taken."""
    return not re.search(r"Index Searches|Heap Fetches|Sort Method|Buckets:|Batches|Memory|Planning Time", line)
