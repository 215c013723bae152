"""What a policy is calibrated on, one loss each: videos, live streams, clips of one's own video."""

import dataclasses
from typing import Any

import grain

from rsf_jax.calibration.kinds import CLIPS, STREAMS, VIDEOS
from rsf_jax.data.dataset import Dataset, check_dataset, first_videos
from rsf_jax.data.streams import live_streams, streams_apart
from rsf_jax.errors import InputError
from rsf_jax.trained.model import Trained

LENGTH = 60  # frames of a stream that is composed, or of a clip
_VALIDATION_STREAMS = 64


@dataclasses.dataclass(frozen=True)
class Units:
    """What has one loss each, and is exchangeable: the guarantee is for the mean over units.

    Attributes:
        kind: what they are called: "videos", "streams" or "clips".
        validation: those in which the order of candidates is found.
        calibration: those on which candidates are tested.
        test: others on which the guarantee is looked at; None if there are none.
        made: how they were made, as files hold it.
    """

    kind: str
    validation: grain.MapDataset
    calibration: grain.MapDataset
    test: grain.MapDataset | None
    made: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        """Returns a line: how many there are."""
        splits = ("validation", "calibration", "test")
        counts = [f"{len(x)} {name}" for name in splits if (x := getattr(self, name)) is not None]
        return f"<Units {', '.join(counts)} {self.kind}>"


def as_units(trained: Trained, data: Dataset | Units) -> Units:
    """Returns units as they are, and of a dataset its videos, or its streams if it has such.

    Raises:
        InputError: if it is no dataset of the model's classes, or as `videos_of` and `streams_of`.
    """
    if isinstance(data, Units):
        return data
    check_dataset(data, trained.config)
    if data.calibration is not None and _are_streams(data.calibration):
        return streams_of(trained, data)
    return videos_of(trained, data)


def videos_of(trained: Trained, dataset: Dataset) -> Units:
    """Returns the videos of a dataset.

    Raises:
        InputError: if the model was not trained on it, or it has no calibration videos.
    """
    check_data(trained)
    check_dataset(dataset, trained.config)
    return Units(VIDEOS, dataset.validation, _calibration(trained, dataset), dataset.test)


def streams_of(trained: Trained, dataset: Dataset, length: int = 0, seed: int = 0) -> Units:
    """Returns live streams: those of a dataset, or composed of its videos.

    Those that are tested share no video, and so are independent if the videos are.

    Args:
        trained: the model.
        dataset: an open dataset. One of streams may be another than the model was trained on.
        length: frames of each; 0 for whole streams of the dataset, or 60.
        seed: of how they are composed.

    Raises:
        InputError: if streams are composed and the model was not trained on the dataset; or it has
            no calibration videos, or too few for a stream.
    """
    check_dataset(dataset, trained.config)
    calibration = _calibration(trained, dataset)
    there = _are_streams(calibration)
    if not there:
        check_data(trained)
        length = length or LENGTH
    else:
        length = length or len(calibration[0]["frames"])
    found = dataset.validation
    shown = len(found) if there else _VALIDATION_STREAMS
    return Units(
        STREAMS,
        # Only an order is found in them: that they share videos does no harm.
        live_streams(found, shown, length, seed),
        streams_apart(calibration, 0, length, seed),
        streams_apart(dataset.test, 0, length, seed),
        {"length": length, "seed": seed, "composed": not there},
    )


def units_to_test(dataset: Dataset, made: dict[str, Any]) -> grain.MapDataset:
    """Returns the test videos of a dataset, made to units as those of a calibration were.

    Args:
        dataset: an open dataset.
        made: what a calibration has stored of its units.

    Raises:
        InputError: if they were clips, of which a dataset has none; or it has too few videos.
    """
    if made["kind"] == CLIPS:
        raise InputError(
            "this policy was calibrated on clips of one's own video, of which the dataset has "
            "none: check it on clips of other recordings"
        )
    if made["kind"] == VIDEOS:
        return dataset.test
    return streams_apart(dataset.test, 0, made["length"], made["seed"])


def first_units(units: Units, count: int) -> Units:
    """Returns units of which only the first are tested; all of them for 0.

    Raises:
        InputError: if there are not so many.
    """
    return dataclasses.replace(units, calibration=first_videos(units.calibration, count))


def check_data(trained: Trained, *, but: tuple[str, ...] = ()) -> None:
    """Checks that a model's settings name the videos it was trained on; opens nothing.

    Args:
        trained: the model.
        but: settings that may name others.

    Raises:
        InputError: if they name others.
    """
    for name in ("dataset", "validation_share", "calibration_share"):
        saved, now = getattr(trained.saved, name), getattr(trained.config, name)
        if saved != now and name not in but:
            raise InputError(
                f"config.{name} is {now!r}, the checkpoint was trained with {saved!r}: a guarantee "
                "holds for the videos a model was made for"
            )


def _are_streams(videos: grain.MapDataset) -> bool:
    return "events" in videos[0]


def _calibration(trained: Trained, dataset: Dataset) -> grain.MapDataset:
    if dataset.calibration is None:
        raise InputError(
            f"dataset {trained.config.dataset} has no videos that neither training nor the "
            "selection of a checkpoint has touched: build it anew if its builder has a split "
            "'calibration', or train with config.calibration_share=0.1"
        )
    return dataset.calibration
