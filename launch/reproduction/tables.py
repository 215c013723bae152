"""Tables in Markdown, and how scores are written in them."""

from collections.abc import Iterable, Sequence


def table(titles: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown.

    Args:
        titles: of the columns.
        lines: cells of each row, as many as there are titles.
    """
    rows = [titles, ["---"] * len(titles), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def score(value: float) -> str:
    """Returns a score as the paper writes them: .123."""
    return f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.3f}"
