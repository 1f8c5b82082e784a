"""Workflows made by Hypothesis: chains, forks, branches and iterations in iterations, with and without people."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from executions.tests.engine_definitions import JSON, collection, flat, flat_step, iteration, note, step, workflow

_POLICIES: list[JSON] = [
    {},
    {},
    {},
    {"accepted_by": ("editor",)},
    {"accepted_by": ("editor",), "quorum": 2},
    {"accepted_by": ("editor", "operator"), "four_eyes": True},
    {"accepted_by": ("editor",), "max_rework_rounds": 1},
]


@st.composite
def generated(draw: st.DrawFn) -> JSON:
    """Return a workflow of either format."""
    if draw(st.integers(0, 4)) == 0:
        return _flat(draw)
    makers = [_Branches, _Branches, _Iterations]
    return draw(st.sampled_from(makers))(draw).workflow()


def _flat(draw: st.DrawFn) -> JSON:
    steps = []
    for number in range(draw(st.integers(1, 4))):
        earlier = [f"f{before}-doc" for before in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        steps.append(flat_step(f"f{number}", *needs, max_tokens=1000, allow_clarification=draw(st.booleans())))
    return flat(*steps)


class _Branches:
    """Up to five steps of one scope, each reading any of those before it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.types: JSON = {}
        self.steps: list[JSON] = []

    def workflow(self) -> JSON:
        for number in range(self.draw(st.integers(1, 5))):
            earlier = [each["step_id"] for each in self.steps]
            self.add(f"s{number}", earlier)
        return workflow(self.types, *self.steps)

    def add(self, step_id: str, earlier: list[str], scope: str = "project") -> JSON:
        needs = self.draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        self.types[step_id] = note(scope, **self.draw(st.sampled_from(_POLICIES)))
        made = step(step_id, *needs, scope=scope, **self.options())
        self.steps.append(made)
        return made

    def options(self) -> dict[str, Any]:
        return {"max_tokens": 1000, "allow_clarification": self.draw(st.booleans())}


class _Iterations(_Branches):
    """A backlog, something per epic, perhaps something per story, and something after it."""

    def workflow(self) -> JSON:
        self.types["backlog"] = collection(accepted_by=self.draw(st.sampled_from([(), (), ("editor",)])))
        self.types["plan"] = note("epic", **self.draw(st.sampled_from(_POLICIES)))
        inner = [step("plan", "backlog@project", scope="epic", **self.options())]
        if self.draw(st.booleans()):
            self.types["stories"] = collection("epic", owns="story")
            self.types["task"] = note("story")
            task = step("task", "stories@epic", "plan@epic", scope="story", **self.options())
            inner += [
                step("stories", "plan", scope="epic", **self.options()),
                iteration("per_story", "stories", task, entity="story", **self.limits()),
            ]
        steps = [
            step("backlog", **self.options()),
            iteration("per_epic", "backlog", *inner, **self.limits()),
        ]
        self.types["summary"] = note()
        steps.append(step("summary", "backlog", **self.options()))
        return workflow(self.types, *steps)

    def limits(self) -> dict[str, Any]:
        most = self.draw(st.sampled_from([None, 1, 2]))
        return {} if most is None else {"max_parallel": most}
