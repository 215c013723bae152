"""Makes folders of tiny frames and masks."""

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 16


def write_frame(path, value=0, size=(HEIGHT, WIDTH)):
    """An image of one color: `value` in red, the frame's height in blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((*size, 3), np.uint8)
    pixels[..., 0], pixels[..., 2] = value, size[0]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(pixels).save(path, **options)


def write_mask(path, first=0, size=(HEIGHT, WIDTH), rest=1):
    """A mask with `first` in its upper row and `rest` below."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full(size, rest, np.uint8)
    pixels[0] = first
    Image.fromarray(pixels).save(path)


def write_camvid(folder, splits, suffix=".png", lists=True):
    """SegNet's layout, from `{"train": ["A_0010", ...], ...}`; lists always say .png."""
    for split, names in splits.items():
        lines = []
        for value, name in enumerate(names):
            write_frame(folder / split / f"{name}{suffix}", value)
            write_mask(folder / f"{split}annot" / f"{name}.png", first=11)
            paths = (f"/SegNet/CamVid/{d}/{name}.png" for d in (split, f"{split}annot"))
            lines.append(" ".join(paths))
        if lists:
            (folder / f"{split}.txt").write_text("\n".join(lines) + "\n")


def build(builder_class, config, manual, data_dir):
    """A built dataset of the files in `manual`."""
    import tensorflow_datasets as tfds

    builder = builder_class(config=config, data_dir=data_dir)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=str(manual))
    )
    return builder
