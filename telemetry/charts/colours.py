"""Which of the eight colours a series has: the same on every page, whatever is shown beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

COUNT = 8
# What is put together because there are more than eight.
OTHER = 0


def colours_of(shown: Iterable[str], known: Sequence[str]) -> dict[str, int]:
    """Return a colour for each shown key, from 1 to 8.

    A key's colour is its place among all ``known`` keys, which no filter changes. Beyond eight known ones two that are
    shown may claim the same colour: then the earlier one has it, and the other the next that is free.
    """
    places = {key: place for place, key in enumerate(sorted(set(known)))}
    wanted = sorted(set(shown), key=lambda key: (places.get(key, len(places)), key))
    found: dict[str, int] = {}
    for key in wanted[:COUNT]:
        first = places.get(key, len(places))
        free = (first + further for further in range(COUNT))
        found[key] = next(place % COUNT + 1 for place in free if place % COUNT + 1 not in found.values())
    return {key: found.get(key, OTHER) for key in wanted}
