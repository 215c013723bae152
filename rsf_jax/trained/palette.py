"""Colors of classes for which nobody has named any."""

import itertools

import numpy as np

_GROUND = (128, 128, 128)
# Okabe and Ito's, told apart by color-blind readers too; without black, which is no label.
_HUES = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66)),
    *((0, 114, 178), (213, 94, 0), (204, 121, 167)),
)
_WHITE, _BLACK = 255.0, 0.0
_FARTHEST = 0.6  # of the way to white or black


def spread_colors(count: int) -> np.ndarray:
    """Returns colors that differ as much as can be: gray for the first class, then seven hues.

    From the ninth class on the hues come again, darker and lighter.

    Args:
        count: number of classes K.

    Returns:
        uint8 [K, 3], red, green and blue.
    """
    rounds = -(-(count - 1) // len(_HUES))
    colors = [np.array(_GROUND, float)]
    for number, hue in itertools.product(range(rounds), _HUES):
        end = _BLACK if number % 2 else _WHITE
        share = _FARTHEST * -(-number // 2) / max(rounds // 2, 1)
        colors.append((1 - share) * np.array(hue) + share * end)
    return np.rint(colors[:count]).astype(np.uint8)
