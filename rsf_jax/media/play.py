"""Runs videos through an engine until they end or are stopped."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rsf_jax.console import table_console
from rsf_jax.json_files import write_json
from rsf_jax.media.feed import Account, Feed
from rsf_jax.paths import expand
from rsf_jax.streaming import Statistics, StreamEngine

SUMMARY = "summary.json"
_IDLE = 0.002  # seconds to wait for a frame
_SHOWN_EVERY = 0.25  # seconds
_COUNTED = (
    *("frames/s", "steps", "frames", "repeated"),
    *("cut", "dropped", "failed", "bad"),
)
_SUMMED = ("done", "repeated", "cut", "dropped", "failed", "lost", "skipped", "damaged")


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run of several videos came to.

    Attributes:
        accounts: of each video.
        statistics: of the engine.
        seconds: that it took.
        stopped: why it was stopped; empty if all videos ended.
        errors: of the device, each of a tick that was done again or has ended streams.
    """

    accounts: list[Account]
    statistics: Statistics
    seconds: float
    stopped: str
    errors: list[str]

    @property
    def whole(self) -> bool:
        """Whether all went well: no video had a problem."""
        return not any(account.problem for account in self.accounts)

    def to_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return dataclasses.asdict(self)


def play(
    engine: StreamEngine,
    feeds: Sequence[Feed],
    stop: Callable[[], str | None] = lambda: None,
    show: Callable[[Table], None] = lambda table: None,
    tell: Callable[[str], None] = lambda note: None,
) -> Summary:
    """Submits frames as they come, computes, and writes results until all videos have ended.

    A video that cannot be read or written ends by itself, the others go on; all files are complete
    with what there was.

    Args:
        engine: of the feeds.
        feeds: videos.
        stop: returns why to stop now, or None. Frames that wait are computed still.
        show: is handed a table of what goes on a few times per second.
        tell: is handed what a user should know of a video, once.
    """
    began, shown, stopped = time.monotonic(), 0.0, ""
    errors: list[str] = []
    try:
        while not all(feed.over for feed in feeds):
            if not stopped and (reason := stop()):
                stopped = reason
                for feed in feeds:
                    feed.stop()
            for feed in feeds:
                feed.submit()
            try:
                busy = engine.tick()
            except RuntimeError as error:  # of the device; the engine ends the streams concerned
                errors.append(f"{type(error).__name__}: {error}")
                busy = True
            for result in engine.poll():
                result.tag.take(result)  # its feed
            _tell_news(feeds, tell)
            if time.monotonic() - shown > _SHOWN_EVERY:
                shown = time.monotonic()
                show(status_table(feeds))
            if not busy:
                time.sleep(_IDLE)
    finally:
        for feed in feeds:
            feed.finish()
    _tell_news(feeds, tell)
    show(status_table(feeds))
    accounts = [feed.account() for feed in feeds]
    return Summary(accounts, engine.statistics(), time.monotonic() - began, stopped, errors)


def _tell_news(feeds: Sequence[Feed], tell: Callable[[str], None]) -> None:
    for feed in feeds:
        for note in feed.news():
            tell(note)


def play_in_terminal(
    engine: StreamEngine,
    feeds: Sequence[Feed],
    stop: Callable[[], str | None],
    tell: Callable[[str], None],
) -> Summary:
    """Runs `play` with a live table; without a terminal the last one alone is printed."""
    console = table_console()
    if not console.is_terminal:
        summary = play(engine, feeds, stop, tell=tell)
        console.print(status_table(feeds))
        return summary
    with Live(status_table(feeds), console=console, auto_refresh=False) as live:
        return play(engine, feeds, stop, lambda table: live.update(table, refresh=True), tell)


def save_summary(summary: Summary, folder: str | Path) -> Path:
    """Writes `summary.json`."""
    path = expand(folder) / SUMMARY
    write_json(path, summary.to_json())
    return path


def status_table(feeds: Sequence[Feed]) -> Table:
    """Returns a row for each video: rates now, and counts so far."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits 80 columns
    table.add_column("video", no_wrap=True, max_width=18)
    for heading in _COUNTED:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for feed in feeds:
        account, (rate, steps) = feed.account(), feed.rates()
        # Which one, the summary says: here is no room for it.
        state = "problem" if account.problem else "ended" if feed.over else "runs"
        counts = (
            account.done + account.cut + account.repeated,
            account.repeated,
            account.cut,
            account.dropped + account.lost,
            account.failed,
            account.skipped + account.damaged,
        )
        # Texts of their own: a name in brackets is no markup.
        texts = account.name, f"{rate:.1f}", f"{steps:.2f}", *map(str, counts), state
        table.add_row(*map(Text, texts))
    return table


def summary_text(summary: Summary) -> str:
    """Returns the totals in a few lines."""
    s, accounts = summary.statistics, summary.accounts
    frames, repeated, cut, dropped, failed, lost, skipped, damaged = (
        sum(getattr(account, name) for account in accounts) for name in _SUMMED
    )
    frames += cut + repeated
    lines = [
        f"{frames} frames in {summary.seconds:.1f} s, {frames / summary.seconds:.1f} a second, "
        f"{s.useful_steps / max(frames, 1):.2f} steps per frame; {s.useful_share:.0%} of the steps "
        "computed were needed"
    ]
    if s.latency:
        shown = ", ".join(f"{p} % within {1000 * t:.0f} ms" for p, t in s.latency.items())
        lines.append(f"from frame to result: {shown}")
    if repeated:
        shown = ", ".join(f"{p} % within {1000 * t:.1f} ms" for p, t in s.repeated_latency.items())
        lines.append(f"{repeated / frames:.0%} of the frames repeat the one before: {shown}")
    if cut or dropped or failed or lost:
        lines.append(f"cut {cut}, dropped {dropped + lost}, failed {failed}")
    if skipped or damaged:
        lines.append(f"{skipped} could not be decoded, {damaged} were patched up by the decoder")
    if summary.stopped:
        lines.append(f"stopped: {summary.stopped}")
    lines += [f"{a.name} was opened again {a.reconnects} times" for a in accounts if a.reconnects]
    return "\n".join(lines + [f"problem: {a.problem}" for a in accounts if a.problem])
