"""What a report says in sentences."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rsf_jax.policies.words import in_words
from rsf_jax.scoring.trivial import baseline

_ALIKE = 0.01  # mIoU by which a policy counts as as good


class Headline(NamedTuple):
    """A number that stands at the top, and what it means."""

    number: str
    name: str
    meaning: str


def headlines(run: Mapping[str, Any], sweep: Mapping[str, Any] | None) -> list[Headline]:
    """Returns the numbers of a run that are told first.

    Args:
        run: results of its test.
        sweep: its sweep, None if there is none.
    """
    test = run["test"]
    steps = test["steps_per_video"] / len(test["miou_by_frame"])
    found = [_accuracy(run)] if test["miou"] is not None else []
    found.append(
        Headline(f"{steps:.2f}", "recurrent steps per frame", in_words(run["policy_spec"]))
    )
    if speed := run["frames_per_second"].get("1"):
        where = run.get("tested", {}).get("hardware") or run["device"]
        told = f"One video at a time, on {where}"
        found.append(Headline(f"{speed:.0f}", "frames per second", told))
    if saving := _saving(run, sweep):
        found.append(saving)
    return found


def _accuracy(run: Mapping[str, Any]) -> Headline:
    test = run["test"]
    if "confusion" in test:
        meaning = (
            "Of the pixels that are of a class or are called so, the share that are both: mean "
            f"over {len(test['iou'])} classes"
        )
    else:
        meaning = (
            "Of the pixels that are target or are called so, the share that are both: mean over "
            f"frames and {test['videos']} videos"
        )
    if trivial := baseline(run["trivial"]):
        meaning += f". Without a network, {trivial[0]} has {trivial[1]:.3f}"
    return Headline(f"{test['miou']:.3f}", "test mIoU", meaning)


def _saving(run: Mapping[str, Any], sweep: Mapping[str, Any] | None) -> Headline | None:
    """The policy with the fewest steps that is about as good, if it has fewer."""
    test = run["test"]
    own = test["steps_per_video"] / len(test["miou_by_frame"])
    points = [] if not sweep or test["miou"] is None else sweep["points"]
    good = [p for p in points if p["miou"] >= test["miou"] - _ALIKE and p["steps"] < own]
    if not good:
        return None
    best = min(good, key=lambda p: p["steps"])
    meaning = (
        f"{best['policy']} has a test mIoU of {best['miou']:.3f} with {best['steps']:.2f} steps "
        f"per frame, of those within {_ALIKE} the fewest: {in_words(best['policy_spec'])}"
    )
    return Headline(f"{own / best['steps']:.1f}x", "fewer steps, as good", meaning)


def facts(run: Mapping[str, Any]) -> list[str]:
    """Returns when, on what and for how long a model was trained and tested.

    What an earlier version has not written is left out.
    """
    tested = {"hardware": run["device"], "jax": run["jax"]} | run.get("tested", {})
    told = ((word, of) for word, of in (("Trained", run.get("training")), ("Tested", tested)) if of)
    return [_sentence(word, of) for word, of in told]


def _sentence(word: str, of: Mapping[str, Any]) -> str:
    parts = [word]
    if ended := of.get("ended"):
        parts.append(f"on {datetime.datetime.fromisoformat(ended):%d %B %Y}".replace(" 0", " "))
    if seconds := of.get("seconds"):
        parts.append(f"in {duration(seconds)}")
    if machine := of.get("hardware"):
        parts.append(f"on {machine}")
    if version := of.get("jax"):
        parts.append(f"with JAX {version}")
    return " ".join(parts)


def duration(seconds: int | float) -> str:
    """Returns a duration as people say it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"


def explained(content: Mapping[str, Any]) -> dict[str, str]:
    """Returns what every policy of a page does, by its text.

    Args:
        content: of the page, policies renewed.
    """
    return dict(sorted((text, f"{_capital(in_words(spec))}.") for text, spec in _policies(content)))


def _policies(content: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    sweep, live = content["sweep"] or {}, content["live"] or {}
    calibration = content["calibration"] or {}
    rows = [*content["tests"], *sweep.get("points", ()), *calibration.get("tested", ())]
    rows += live.get("live", ())
    return [(row["policy"], row["policy_spec"]) for row in rows]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
