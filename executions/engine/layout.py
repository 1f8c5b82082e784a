"""Where a step of a definition stands: its outer iterations, its producers, the paths of its instances.

Computed once per definition. Paths look like ``per_epic[E1].per_story[S2].implementation``; scope ids like
``project-1:E1:S2``. Every iteration opens one scope level, so the item ids of a scope instance are, in
order, the item ids in the path of anything inside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from workflows.definition import Definition, IterationStep, ProductionStep, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One step of the definition with its place. ``chain`` is the ids of the iterations around it."""

    step: Step
    chain: tuple[str, ...]
    index: int
    order: int

    def path(self, item_ids: Sequence[str]) -> str:
        """Return the path of the instance that stands in the items ``item_ids`` (outermost first)."""
        return instance_path(self.chain, item_ids, self.step.step_id)


def instance_path(chain: Sequence[str], item_ids: Sequence[str], step_id: str) -> str:
    return ".".join((*(f"{name}[{item}]" for name, item in zip(chain, item_ids, strict=False)), step_id))


def scope_id(project_id: str, item_ids: Sequence[str]) -> str:
    """Return the id of the scope instance reached by ``item_ids`` from the project's root scope."""
    return ":".join((project_id, *item_ids))


class Layout:
    """The nodes of one definition by step id, and who produces what."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.nodes: Mapping[str, Node] = {node.step.step_id: node for node in _nodes(definition.steps, (), [0])}
        self._producers: dict[str, Node] = {}
        for node in self.nodes.values():
            if isinstance(node.step, ProductionStep):
                self._producers.setdefault(node.step.produces, node)

    def producer(self, doc_type: str) -> Node | None:
        """Return the node that produces ``doc_type``; ``None`` means that only a brief can give it."""
        return self._producers.get(doc_type)

    @cached_property
    def dependencies(self) -> Mapping[str, tuple[Node, ...]]:
        """For each step id: the nodes whose documents (or collection) it must wait for."""
        return {step_id: tuple(self._needs(node)) for step_id, node in self.nodes.items()}

    def _needs(self, node: Node) -> list[Node]:
        step = node.step
        if isinstance(step, IterationStep):
            names = [(step.doc_type, True)]
        else:
            names = [(ref.doc_type, ref.required) for ref in step.inputs if ref.doc_type is not None]
        needs = []
        for doc_type, required in names:
            producer = self.producer(doc_type)
            # An optional input of a later step is not waited for: it could never come first.
            if producer is not None and producer is not node and (required or producer.order < node.order):
                needs.append(producer)
        return needs


def _nodes(steps: Sequence[Step], chain: tuple[str, ...], counter: list[int]) -> list[Node]:
    found = []
    for index, step in enumerate(steps):
        found.append(Node(step=step, chain=chain, index=index, order=counter[0]))
        counter[0] += 1
        if isinstance(step, IterationStep):
            found.extend(_nodes(step.steps, (*chain, step.step_id), counter))
    return found
