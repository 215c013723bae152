"""Pictures inside a page, in one scale, so that their letters are of one size."""

import base64
import re
import struct
from pathlib import Path
from typing import NamedTuple

_MEDIA = {".png": "image/png", ".svg": "image/svg+xml"}
_PNG_DPI = 120  # all pictures of runs are saved with it
_CSS_DPI, _POINTS = 96, 72  # per inch
_MOST_BYTES = 900_000  # of the pictures of a page, so that the page stays below 1.5 MB


class Embedded(NamedTuple):
    """A picture in a page.

    Attributes:
        caption: what it shows.
        source: the address of itself.
        width: in pixels of CSS, at which its letters are as large as they were drawn.
    """

    caption: str
    source: str
    width: int


class Embedder:
    """Embeds pictures until a page has enough of them; the others are left to the folder."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._left = most_bytes
        self.left_out: list[str] = []

    def embed(self, path: Path, caption: str) -> Embedded | None:
        """Returns a picture; None if it is not there, or there is no room for it."""
        if not path.exists():
            return None
        content = path.read_bytes()
        if len(content) > self._left:
            self.left_out.append(path.name)
            return None
        self._left -= len(content)
        data = base64.b64encode(content).decode()
        return Embedded(caption, f"data:{_MEDIA[path.suffix]};base64,{data}", _width(path, content))

    def embed_all(self, captions: dict[Path, str]) -> list[Embedded]:
        """Returns those of several pictures that are there."""
        found = (self.embed(path, caption) for path, caption in captions.items())
        return [embedded for embedded in found if embedded]


def _width(path: Path, content: bytes) -> int:
    """The width at which a picture has its natural size."""
    if path.suffix == ".png":
        return round(struct.unpack(">I", content[16:20])[0] * _CSS_DPI / _PNG_DPI)
    found = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', content)
    return round(float(found[1]) * _CSS_DPI / _POINTS) if found else 0
