"""Writes class maps to palette images."""

from pathlib import Path
from types import TracebackType

import numpy as np
from PIL import Image

from rsf_jax.arguments import whole
from rsf_jax.media.checks import UNSEEN, checked_classes, checked_colors
from rsf_jax.media.targets import check_free_folder, disk_errors
from rsf_jax.paths import expand

_MASKS = "[0-9]" * 6 + ".png"


class MaskWriter:
    """A folder of PNG files 000000.png, ... whose pixels are class indices, shown in color.

    Args:
        folder: made if it is not there.
        colors: uint8 [K, 3], red, green and blue of each class; K up to 256.
        overwrite: whether masks that are in the folder may be deleted.

    Raises:
        InputError: if an argument is not allowed, or the folder holds something.
    """

    def __init__(self, folder: str | Path, colors: np.ndarray, overwrite: bool = False) -> None:
        self.folder = expand(folder)
        self._colors = checked_colors(colors)
        check_free_folder(self.folder, overwrite)
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for mask in self.folder.glob(_MASKS):  # or those of a longer video would stay
                mask.unlink()

    def write(self, index: int, classes: np.ndarray) -> None:
        """Writes the mask of one frame.

        Args:
            index: number of the frame, from 0 on, which the file is called after.
            classes: integer [H, W] in 0..K - 1, or 255 (black) where the model was shown nothing.

        Raises:
            InputError: if the index or the classes are not such, or the disk is full.
        """
        index = whole("index", index, 0)
        classes = checked_classes(classes, len(self._colors), unseen=True)
        mask = Image.fromarray(classes.astype(np.uint8)).convert("P")
        # Of a short palette Pillow writes short pixels, in which 255 has no place.
        spare = 256 - len(self._colors) if classes.max() == UNSEEN else 0
        mask.putpalette(self._colors.tobytes() + bytes(3 * spare))
        path = self.folder / f"{index:06d}.png"
        with disk_errors(path):
            try:
                mask.save(path, optimize=False)
            except OSError:
                path.unlink(missing_ok=True)  # half a mask
                raise

    def close(self) -> None:
        """Does nothing: each mask is complete once it is written."""

    def __enter__(self) -> "MaskWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
