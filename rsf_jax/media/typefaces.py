"""Fonts in which a text has all its letters."""

import functools
import importlib.util
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

from rsf_jax.errors import InputError

# Of letters that Pillow's own font and DejaVu lack; what systems and their packages call them.
_OF_SYSTEMS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "wqy-microhei.ttc"),
    *("Arial Unicode.ttf", "PingFang.ttc", "msyh.ttc", "msgothic.ttc", "malgun.ttf"),
)
_LOOKED_AT = 20  # pixels high, where a letter is compared with the mark of a missing one
_MISSING = "\uffff"  # no letter, in any font
_UNKNOWN = "?"


@functools.cache
def font(size: int, face: str = "") -> ImageFont.FreeTypeFont:
    """Returns a font, its size in pixels.

    Args:
        size: in pixels.
        face: file of the font; Pillow's own unless given.

    Raises:
        InputError: if this build of Pillow has none.
    """
    found = ImageFont.truetype(face, size) if face else ImageFont.load_default(size)
    if not isinstance(found, ImageFont.FreeTypeFont):
        raise InputError("this build of Pillow has no FreeType: install Pillow from its wheel")
    return found


@functools.lru_cache(maxsize=64)
def face_for(letters: frozenset[str]) -> str:
    """Returns the font that has the most of some letters, the first of those that have as many."""
    best, most = "", -1
    for face in _faces():
        has = sum(_has(face, letter) for letter in letters)
        if has > most:
            best, most = face, has
        if has == len(letters):
            break
    return best


def legible(text: str) -> tuple[str, str]:
    """Returns a font's file ("" for Pillow's own) and a text without what it lacks.

    Letters that no font at hand has lose their accents, or are question marks.
    """
    if text.isascii():
        return "", text
    face = face_for(frozenset(text))
    return face, "".join(c if _has(face, c) else _plain(face, c) for c in text)


def _plain(face: str, letter: str) -> str:
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if _has(face, base) else _UNKNOWN


@functools.lru_cache(maxsize=4096)
def _has(face: str, letter: str) -> bool:
    used = font(_LOOKED_AT, face)
    return letter.isspace() or bytes(used.getmask(letter)) != bytes(used.getmask(_MISSING))


def _faces() -> Iterator[str]:
    """Those of systems are looked for if the others lack something."""
    yield ""
    yield from _dejavu()
    yield from _of_system()


@functools.cache
def _dejavu() -> tuple[str, ...]:
    """DejaVu, which Matplotlib brings; it is not imported for that."""
    spec = importlib.util.find_spec("matplotlib")
    places = spec.submodule_search_locations if spec else None
    paths = [Path(place, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf") for place in places or ()]
    return tuple(str(path) for path in paths if path.exists())


@functools.cache
def _of_system() -> tuple[str, ...]:
    found = []
    for name in _OF_SYSTEMS:
        try:
            found.append(str(font(_LOOKED_AT, name).path))
        except OSError:
            continue
    return tuple(found)
