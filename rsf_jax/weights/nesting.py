"""State dicts inside of what training scripts save: found by where tensors are, and their names.

A checkpoint is a tree of containers. Names of tensors may have anything in front: the keys of
containers, the attribute that held the model, and the wrappers of PyTorch.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from typing import Any, NamedTuple

import numpy as np

from rsf_jax.errors import InputError

# Found by structure: see docs/decisions/0015-weights-and-records.md.
# Names of a model among other things that have the same tensors, the likeliest first.
_USUAL = ("model", "state_dict", "model_state_dict", "module", "net", "network", "weights")
# Parts of names that stand for no module of the model, wherever they are.
_WRAPPERS = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
# Bounds of a tree that no training script reaches: its names are copied once for each tensor.
_DEEPEST, _LONGEST = 32, 300
_PARTS = 6  # of a known name, at most

Place = tuple[str, ...]


class Group(NamedTuple):
    """Tensors of one container.

    Attributes:
        place: keys that lead to it.
        tensors: by key.
    """

    place: Place
    tensors: dict[Any, np.ndarray]


def groups(content: Any, array_in: Callable[[Any], np.ndarray | None]) -> list[Group]:
    """Returns the tensors of every container in a tree, each container once.

    Args:
        content: mappings, lists and tuples in each other.
        array_in: makes an array of a value, or None.
    """
    found, seen = [], {id(content)}
    waiting: deque[tuple[Place, Any]] = deque([((), content)])
    while waiting:
        place, here = waiting.popleft()
        tensors: dict[Any, np.ndarray] = {}
        for key, value in _items(here):
            array = array_in(value)
            if array is not None:
                tensors[key] = array
            elif _leads_on(place, key, value) and id(value) not in seen:
                seen.add(id(value))
                waiting.append(((*place, key), value))
        if tensors:
            found.append(Group(place, tensors))
    return found


def _items(container: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(container, Mapping):
        return container.items()
    if isinstance(container, list | tuple):
        return ((str(i), value) for i, value in enumerate(container))
    return ()


def _leads_on(place: Place, key: Any, value: Any) -> bool:
    """Whether to look into a value: what numbers name, as an optimizer's states, is no model."""
    if not isinstance(value, Mapping | list | tuple) or not value or not isinstance(key, str):
        return False
    return len(place) < _DEEPEST and sum(map(len, place)) + len(key) <= _LONGEST


def state_dict(found: list[Group]) -> dict[Any, np.ndarray]:
    """Returns the tensors of one state dict, as they are named in it."""
    while True:
        heads = list(dict.fromkeys(place[0] for place, _ in found if place))
        direct = [tensors for place, tensors in found if not place]
        head = next((key for key in _USUAL if key in heads), None)
        if head is None and direct:
            return direct[0]
        if head is None and len(heads) == 1:
            head = heads[0]
        if head is None:
            return {".".join((*place, str(key))): t for place, ts in found for key, t in ts.items()}
        found = [Group(place[1:], tensors) for place, tensors in found if place[:1] == (head,)]


def find_weights(found: list[Group], known: Set[str]) -> dict[str, np.ndarray] | None:
    """Returns the tensors that belong to a model, under the names that they have there.

    They are those behind the prefix that most known names follow. Nothing is told by what that
    prefix is, unless several fit alike.

    Args:
        found: tensors of all containers.
        known: names of tensors in the models that are looked for.

    Returns:
        The tensors, those of unknown names in the same containers too; None if no name is known.

    Raises:
        InputError: if there are several such models, or two tensors of one name.
    """
    counts = Counter(prefix for group in found for prefix in _prefixes(group, known))
    if not counts:
        return None
    prefix = _likeliest(counts)
    tensors: dict[str, np.ndarray] = {}
    for group in found:
        if prefix not in _prefixes(group, known):
            continue
        for parts, array in _named(group):
            if parts[: len(prefix)] != prefix:
                continue
            name = ".".join(parts[len(prefix) :])
            if name in tensors:
                raise InputError(f"{name} is there twice, in different wrappers: keep one of them")
            tensors[name] = array
    return tensors


def _named(group: Group) -> Iterator[tuple[Place, np.ndarray]]:
    """Whole names in parts, without wrappers, of tensors that have a text for a name."""
    place = tuple(part for key in group.place for part in _parts(key))
    for key, array in group.tensors.items():
        if isinstance(key, str) and len(key) <= _LONGEST:
            yield (*place, *_parts(key)), array


def _parts(name: str) -> Place:
    return tuple(part for part in name.replace("/", ".").split(".") if part not in _WRAPPERS)


def _prefixes(group: Group, known: Set[str]) -> Iterator[Place]:
    """What stands before each known name."""
    for parts, _ in _named(group):
        for count in range(1, min(len(parts), _PARTS) + 1):
            if ".".join(parts[-count:]) in known:
                yield parts[:-count]
                break


def _likeliest(counts: Counter[Place]) -> Place:
    """The prefix of the most names; of several, the one with usual names alone."""
    most = max(counts.values())
    best = [prefix for prefix, count in counts.items() if count == most]
    usual = [prefix for prefix in best if set(prefix) <= set(_USUAL)]
    if len(best) > 1 and len(usual) != 1:
        places = ", ".join(".".join(prefix)[:60] or "the top" for prefix in best[:4])
        raise InputError(
            f"weights of a model are there several times ({places}): save one of them alone"
        )
    return usual[0] if len(best) > 1 else best[0]
