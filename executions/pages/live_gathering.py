"""What a run's page is made of: the rows of one execution, gathered in a fixed number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from documents.models import Document
from executions.api.pictures import Picture, Progress, items_around
from executions.engine.layout import Layout
from executions.engine.state import TERMINAL
from executions.models import Attempt, Decision, DecisionKind, Execution, Gate, GateKind, Step, StepStatus
from executions.overview import Spending, spending_by_step
from executions.pages.definitions import named_item
from executions.pages.live_bars import Segment, fill_with_queue
from workflows.definition import Definition, IterationStep

MOST_DOCUMENTS = 200
_MOST_COLLECTIONS = 50
_COLUMNS = (
    "path", "step_id", "is_iteration", "sort_key", "status", "attempt", "tries", "token", "due_at", "document_id",
    "total_items", "started_at", "completed_at", "error_code", "error_detail",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class LiveStep:
    """One step with what its line needs. ``ready_at``: when all that it reads was there."""

    pk: int
    path: str
    name: str
    is_iteration: bool
    status: str
    attempt: int
    tries: int
    is_held: bool
    due_at: datetime | None
    ready_at: datetime | None
    document_id: UUID | None
    total_items: int | None
    completed_at: datetime | None
    error_code: str
    error_detail: str
    known_cost: Decimal
    cost: str
    segments: Sequence[Segment] = ()
    waits_for: Sequence[str] = ()
    accepted_by: Sequence[str] = ()
    answered_by: Sequence[str] = ()


@dataclass(kw_only=True)
class Gathered:
    """An execution with its steps in order, its gates (oldest first) and the documents that it has made."""

    execution: Execution
    definition: Definition
    now: datetime
    rows: Sequence[Step]
    gates: Sequence[Gate]
    documents: Sequence[Document]
    document_count: int
    spending: Mapping[int, Spending]
    attempts: Mapping[int, Sequence[Attempt]]
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return is_over(self.execution)

    @property
    def end(self) -> datetime:
        """Where the scale of time ends."""
        return self.execution.completed_at or self.now

    @cached_property
    def progress(self) -> Mapping[str, Progress]:
        picture = Picture(execution=self.execution, current_step_id=None, steps=self.rows, gates=())
        return picture.iteration_progress

    @cached_property
    def waiting(self) -> list[Gate]:
        """The gates at which somebody may decide now."""
        return [] if self.is_over else [gate for gate in self.gates if gate.status == "open"]

    @cached_property
    def total(self) -> Spending:
        spent = self.spending.values()
        return Spending(
            known=self.execution.cost_usd,
            call_count=sum(each.call_count for each in spent),
            unpriced_count=sum(each.unpriced_count for each in spent),
            priced_count=sum(each.priced_count for each in spent),
            is_offline=any(each.is_offline for each in spent),
        )

    @cached_property
    def names(self) -> dict[str, str]:
        return {step.step_id: step.name for step in self.definition.walk()}

    @cached_property
    def type_names(self) -> dict[str, str]:
        return {type_id: doc_type.name for type_id, doc_type in self.definition.document_types.items()}

    @cached_property
    def steps(self) -> list[LiveStep]:
        ready = _Readiness(self)
        gates: dict[int, list[Gate]] = defaultdict(list)
        for gate in self.gates:
            gates[gate.step_id].append(gate)
        return [self._step(step, ready.of(step), gates[step.pk]) for step in self.rows]

    def _step(self, step: Step, ready_at: datetime | None, gates: Sequence[Gate]) -> LiveStep:
        spent = self.spending.get(step.pk)
        decisions = [decision for gate in gates for decision in gate.decisions.all()]
        open_gates = [gate for gate in gates if gate.status == "open"]
        return LiveStep(
            pk=step.pk,
            path=step.path,
            name=self.names.get(step.step_id, step.step_id),
            is_iteration=step.is_iteration,
            status=step.status,
            attempt=step.attempt,
            tries=step.tries,
            is_held=step.token is not None,
            due_at=step.due_at,
            ready_at=ready_at,
            document_id=step.document_id,
            total_items=step.total_items,
            completed_at=step.completed_at,
            error_code=step.error_code,
            error_detail=step.error_detail,
            known_cost=spent.known if spent else Decimal(0),
            cost=spent.short if spent else "",
            segments=() if step.is_iteration else self._segments(step, ready_at, gates),
            waits_for=tuple(who for gate in open_gates for who in deciders(gate)),
            accepted_by=_who(decisions, DecisionKind.ACCEPT, gates),
            answered_by=_who(decisions, DecisionKind.ANSWER, gates),
        )

    def _segments(self, step: Step, ready_at: datetime | None, gates: Sequence[Gate]) -> Sequence[Segment]:
        end = self.end
        known = [
            Segment(part="model", begin=each.started_at, end=each.finished_at or end)
            for each in self.attempts.get(step.pk, ())
        ]
        known += [Segment(part="people", begin=each.opened_at, end=each.closed_at or end) for each in gates]
        is_idle = step.status in (StepStatus.PENDING, StepStatus.CANCELLED, StepStatus.FAILED)
        if is_idle and not known and (self.is_over or ready_at is None):
            return ()
        last = max((each.end for each in known), default=end)
        is_queued = not self.is_over and step.token is None and step.status in (StepStatus.PENDING, StepStatus.RUNNING)
        return fill_with_queue(ready_at, end if is_queued else last, known)


class _Readiness:
    """When steps could have started: once everything that they read was there."""

    def __init__(self, gathered: Gathered) -> None:
        self._layout = Layout(gathered.definition)
        self._steps = {step.path: step for step in gathered.rows}
        self._begin = gathered.execution.started_at

    def of(self, step: Step) -> datetime | None:
        node = self._layout.nodes.get(step.step_id)
        if node is None:
            return step.started_at
        items = [item for _path, item in items_around(step.path)]
        found = [self._begin]
        outer = [path for path, _item in items_around(step.path)]
        if outer:
            around = self._steps.get(outer[-1])
            if around is None or around.started_at is None:
                return None
            found.append(around.started_at)
        for needed in self._layout.dependencies[step.step_id]:
            done = self._steps.get(needed.path(items[: len(needed.chain)]))
            if done is None or done.completed_at is None:
                return None
            found.append(done.completed_at)
        return max(found)


def is_over(execution: Execution) -> bool:
    return execution.status in [status.value for status in TERMINAL]


def deciders(gate: Gate) -> list[str]:
    """Return the roles and people that a gate waits for."""
    named = [*gate.deciding_roles, *gate.users]
    if gate.kind == GateKind.CLARIFICATION:
        return list(dict.fromkeys(["operator", *named]))
    return named or ["operator"]


def gather(execution: Execution) -> Gathered:
    """Load the rows: eight statements, however many steps there are."""
    rows = list(Step.objects.filter(execution=execution).order_by("sort_key").only("execution_id", *_COLUMNS))
    gates = Gate.objects.filter(execution=execution).defer("questions", "answers", "policy")
    attempts: dict[int, list[Attempt]] = defaultdict(list)
    tried = Attempt.objects.filter(step__execution=execution).order_by("step_id", "n")
    for attempt in tried.only("step_id", "n", "started_at", "finished_at"):
        attempts[attempt.step_id].append(attempt)
    made = Document.objects.filter(execution_id=execution.pk).defer("content", "summary").order_by("created_at", "id")
    documents = list(made)
    gathered = Gathered(
        execution=execution,
        definition=execution.revision.parsed(),
        now=timezone.now(),
        rows=rows,
        gates=list(gates.prefetch_related("decisions").order_by("opened_at", "id")),
        documents=documents[-MOST_DOCUMENTS:],
        document_count=len(documents),
        spending=spending_by_step(Q(execution=execution)),
        attempts=attempts,
    )
    for gate in gathered.gates:
        gate.execution = execution
    gathered.titles = _titles(gathered)
    return gathered


def _titles(gathered: Gathered) -> dict[str, str]:
    """Return the headings of items, by the key of the item: ``per_epic[E1]``."""
    layout = Layout(gathered.definition)
    by_path = {step.path: step for step in gathered.rows}
    sources: dict[UUID, list[tuple[str, IterationStep]]] = defaultdict(list)
    for step in gathered.rows:
        node = layout.nodes.get(step.step_id)
        if node is None or not isinstance(node.step, IterationStep) or step.total_items is None:
            continue
        producer = layout.producer(node.step.doc_type)
        items = [item for _path, item in items_around(step.path)]
        source = by_path.get(producer.path(items[: len(producer.chain)])) if producer is not None else None
        if source is not None and source.document_id is not None:
            sources[source.document_id].append((step.path, node.step))
    wanted = list(sources)[:_MOST_COLLECTIONS]
    contents = Document.objects.filter(pk__in=wanted).order_by().values_list("pk", "content")
    return dict(_headings(contents, sources))


def _headings(
    contents: Iterable[tuple[UUID, object]], sources: Mapping[UUID, Sequence[tuple[str, IterationStep]]]
) -> Iterable[tuple[str, str]]:
    for key, content in contents:
        for path, step in sources[key]:
            items = content.get(step.collection_field) if isinstance(content, dict) else None
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict):
                    for item_id, heading in named_item(item, ("id", f"{step.entity_type}_id")):
                        yield f"{path}[{item_id}]", heading


def _who(decisions: Sequence[Decision], kind: DecisionKind, gates: Sequence[Gate]) -> tuple[str, ...]:
    """Return who said that at the last gate at which it was said."""
    for gate in reversed(gates):
        said = [each.by for each in decisions if each.gate_id == gate.pk and each.decision == kind]
        if said:
            return tuple(said)
    return ()
