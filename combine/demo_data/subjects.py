"""What the executions of the demo are about: projects, briefs, and what the model writes of them.

Products and strategies are the written samples of the shipped packages, under several names; notices are texts of the
demo, in French, Arabic, English and the languages that they are translated into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from combine.env import BASE_DIR
from executions.llm.offline.author import OfflineAuthor
from executions.llm.offline.samples import SampleLibrary
from executions.values import Claim

EXAMPLES = BASE_DIR / "examples"
PRODUCT, STRATEGY, NOTICE = "software_product", "strategy_document", "public_notice"
WORKFLOWS = (PRODUCT, STRATEGY, NOTICE)
_NOTICES = Path(__file__).parent / "texts" / "notices.json"

ANSWERS = {
    PRODUCT: {"AUDIENCE": "volunteers_and_members", "OFFLINE_DESK": True, "BUSIEST_HOUR": 46},
    STRATEGY: {"PREMISES": "open", "BORROWING": False, "BOARD_DATE": "2027-02-11", "NOT_REACHED": ["upper_valleys"]},
    NOTICE: {"HOURS": "De 8 h à 16 h", "DELIVERY": True, "LANGUAGES": ["ar", "en"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A project and its texts. ``renames`` turn a shipped sample into one of this project."""

    key: str
    project_id: str
    name: str
    workflow: str
    renames: tuple[tuple[str, str], ...] = ()
    members: tuple[str, ...] = ()
    notice: dict[str, Any] = field(default_factory=dict)

    @property
    def brief(self) -> Any:
        if self.notice:
            return self.notice["brief"]
        return json.loads(self._renamed((EXAMPLES / self.workflow / "brief.json").read_text(encoding="utf-8")))

    def document(self, claim: Claim, *, version: int) -> str:
        """Return what the model writes; ``version`` counts from the end of the texts: -1 is the last."""
        if not self.notice:
            return self._renamed(_author().answer(claim.request.to_api_kwargs()))
        kind = claim.doc_type.type_id
        if kind == "notice_facts":
            content = self.notice["facts"]
        elif kind == "notice":
            texts = self.notice["notices"]
            content = texts[max(version, -len(texts))]
        else:
            number = claim.path.rpartition("[L")[2].partition("]")[0]
            content = self.notice["translations"][int(number) - 1]
        return json.dumps(content, indent=2, ensure_ascii=False)

    def questions(self, doc_type: str) -> str | None:
        """Return the questions that the model may ask before it writes, where its package has some."""
        found = next(iter(_library().question_sets(doc_type)), None)
        return None if found is None else self._renamed(json.dumps(found, indent=2, ensure_ascii=False))

    def _renamed(self, text: str) -> str:
        for old, new in self.renames:
            text = text.replace(old, new)
        return text


_LENDING = (
    Subject(
        key="lantern",
        project_id="lantern-street",
        name="Lantern Street Library of Things",
        workflow=PRODUCT,
    ),
    Subject(
        key="kiln",
        project_id="kiln-lane",
        name="Kiln Lane Instrument Library",
        workflow=PRODUCT,
        renames=(
            ("Lantern Street Library of Things", "Kiln Lane Instrument Library"),
            ("Lantern", "Kiln Lane"),
            ("belt sander", "guitar amplifier"),
            ("library of things", "library of instruments"),
        ),
    ),
    Subject(
        key="harbour",
        project_id="harbour-toys",
        name="Harbour Road Toy Library",
        workflow=PRODUCT,
        renames=(
            ("Lantern Street Library of Things", "Harbour Road Toy Library"),
            ("Lantern", "Harbour Road"),
            ("belt sander", "ride-on tractor"),
            ("library of things", "toy library"),
        ),
    ),
)
_FOOD_BANKS = (
    Subject(
        key="valleys",
        project_id="three-valleys",
        name="Three Valleys Food Bank",
        workflow=STRATEGY,
    ),
    Subject(
        key="shore",
        project_id="north-shore",
        name="North Shore Food Bank",
        workflow=STRATEGY,
        renames=(("Three Valleys", "North Shore"), ("three neighbouring valleys", "three coastal parishes")),
        members=("board",),
    ),
    Subject(
        key="weir",
        project_id="upper-weir",
        name="Upper Weir Community Kitchen",
        workflow=STRATEGY,
        renames=(("Three Valleys Food Bank", "Upper Weir Community Kitchen"), ("Three Valleys", "Upper Weir")),
    ),
)


@cache
def subjects() -> dict[str, Subject]:
    """Return every subject by its key."""
    return {subject.key: subject for subject in (*_LENDING, *_FOOD_BANKS, *_notices())}


def _notices() -> Iterator[Subject]:
    for notice in json.loads(_NOTICES.read_text(encoding="utf-8")):
        yield Subject(
            key=notice["key"], project_id=notice["project"], name=notice["name"], workflow=NOTICE, notice=notice
        )


@cache
def _library() -> SampleLibrary:
    return SampleLibrary([EXAMPLES])


@cache
def _author() -> OfflineAuthor:
    return OfflineAuthor(_library(), asks_questions=False)
