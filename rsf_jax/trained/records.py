"""What is known of a trained model: how it was made, and how it did in the test."""

import dataclasses
import json
import platform
import re
from pathlib import Path
from typing import Any

import jax

from rsf_jax.config.build import training_policy
from rsf_jax.config.config import FREE_ON_RESUME, Config
from rsf_jax.config.presets import get_config
from rsf_jax.cores import usable_cores
from rsf_jax.errors import InputError
from rsf_jax.json_files import number
from rsf_jax.paths import expand
from rsf_jax.policies import Spec, renamed, spec_of
from rsf_jax.shown import in_a_line, short

# Of a record's entries. 1: without a number. 2: policies as texts alone. 3: without a still camera.
# 4: without a background.
# A later version of the library reads all of them.
FORMAT = 5
_DECIDES_NOTHING = set(FREE_ON_RESUME) - {"init_from"}


@dataclasses.dataclass(frozen=True)
class Result:
    """Scores of all test videos under one policy.

    Attributes:
        miou: foreground IoU, or mean IoU of the classes; mean over frames and videos. None if
            nothing is labeled.
        miou_by_frame: of each frame of a video; likewise.
        steps_by_frame: mean recurrent steps of each.
        frames_per_second: at batch 1, on the machine of the test.
        videos: how many.
        policy_spec: kind and numbers of the policy (`policies.to_spec`); those of its text in a
            record of an earlier version.
    """

    __repr__ = in_a_line

    miou: float | None
    miou_by_frame: list[float | None]
    steps_by_frame: list[float]
    frames_per_second: float
    videos: int
    policy_spec: Spec = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Still:
    """What became of test frames that were shown again and again; see `evaluation.still`.

    Attributes:
        policy: its text.
        noise: standard deviation of the sensor's noise; white is 1.
        frames: how often each was shown.
        lasts: how often before the mIoU fell far below its best so far; `frames` if it never did.
        worst: the lowest share of the best mIoU so far.
        miou: by the number of the repeat, from 1; of a few.
    """

    __repr__ = in_a_line

    policy: str
    noise: float
    frames: int
    lasts: int
    worst: float | None
    miou: dict[str, float | None]

    @property
    def holds(self) -> bool:
        """Whether the model can be left in front of a scene that does not change."""
        return self.lasts == self.frames


@dataclasses.dataclass(frozen=True)
class Record:
    """A trained model in figures, each of which was written by a run.

    Attributes:
        config: every setting, as by `dataclasses.asdict`, without those of the machine.
        version: of the dataset; empty if it was not there when the record was made.
        parameters: how many.
        update: of the checkpoint, the best one on validation.
        updates: done in all.
        epochs: the same in passes over the training videos; 0 if those were not there.
        seconds: that the updates took; not data, compiling and validation.
        hardware: that they ran on.
        jax: its version.
        validation: loss and mIoU of the checkpoint.
        frame_size: height and width of the frames, in pixels.
        class_names: of the dataset.
        colors: red, green and blue of each class.
        tests: of the checkpoint, by policy, whose texts become those of this version; none of a
            run that is not finished.
        still: what becomes of a frame that is shown again and again, by policy and noise; nothing
            of what was not tested so.
        background: class that pictures leave clear; None for none.
        format: of these entries, see `FORMAT`.
    """

    config: dict[str, Any]
    version: str
    parameters: int
    update: int
    updates: int
    epochs: float
    seconds: float
    hardware: str
    jax: str
    validation: dict[str, float]
    frame_size: list[int]
    class_names: list[str]
    colors: list[list[int]]
    tests: dict[str, Result]
    still: list[Still] = dataclasses.field(default_factory=list)
    background: int | None = 0
    format: int = FORMAT

    def __repr__(self) -> str:
        """Returns a line: what the test came to."""
        tests = ", ".join(f"{name} {number(test.miou)}" for name, test in self.tests.items())
        return (
            f"<Record {short(self.label)[1:-1]}, seed {self.seed}, {self.parameters:,} parameters, "
            f"update {self.update}, test mIoU {short(tests)[1:-1] or 'unknown'}>"
        )

    def __post_init__(self) -> None:
        """Gives policies that an earlier version has written the names and specs of this one."""
        object.__setattr__(self, "tests", dict(map(_renewed, self.tests.items())))

    @property
    def videos(self) -> int:
        """Training videos seen, each as often as it was."""
        return self.updates * self.config["batch_size"]

    @property
    def core_hours(self) -> float | None:
        """Hours of the updates times cores of the processor; None on accelerators."""
        cores = re.match(r"(\d+) cores, ", self.hardware)
        return None if cores is None else self.seconds / 3600 * int(cores[1])

    @property
    def preset(self) -> str:
        """The preset that the configuration began as."""
        return self.config["name"]

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config["seed"]

    @property
    def schedule(self) -> str:
        """The policy of training."""
        return str(training_policy(Config(**self.config)))

    @property
    def changes(self) -> dict[str, Any]:
        """Settings that decide the result and are not those of the preset, the seed aside."""
        preset = dataclasses.asdict(get_config(self.preset).replace(seed=self.seed))
        return {
            name: value
            for name, value in self.config.items()
            if value != preset[name] and name not in _DECIDES_NOTHING
        }

    @property
    def lasts(self) -> int | None:
        """Repeats of a frame, without noise, before it is lost; None if it holds or is not known.

        Under the schedule of training.
        """
        own = (s for s in self.still if s.policy == self.schedule and s.noise == 0)
        return next((s.lasts for s in own if not s.holds), None)

    @property
    def label(self) -> str:
        """The preset and what was changed of it, in the words of the flags."""
        return " ".join([self.preset, *(f"{k}={v}" for k, v in sorted(self.changes.items()))])


def _renewed(test: tuple[str, Result]) -> tuple[str, Result]:
    name, result = test
    spec = result.policy_spec or spec_of(name)
    return renamed(name), dataclasses.replace(result, policy_spec=spec)


def plain_config(config: Config) -> dict[str, Any]:
    """Returns all settings, those that belong to a machine set back."""
    begun_from = Path(config.init_from).name
    here = {"data_dir": "", "manual_dir": "", "max_minutes": 0.0, "devices": 0}
    return dataclasses.asdict(config.replace(**here, init_from=begun_from))


def from_json(values: Any) -> Record:
    """Returns a record from the plain values of `dataclasses.asdict`.

    Raises:
        InputError: if these are not the values of a record, or those of a later version.
    """
    try:
        values = {"format": 1, **values}
        if values["format"] > FORMAT:
            raise InputError(
                f"a record of format {values['format']}: this version of rsf_jax reads up to "
                f"{FORMAT}; use a newer one"
            )
        tests = {policy: Result(**test) for policy, test in values["tests"].items()}
        config = dataclasses.asdict(Config(**values["config"]))
        still = [Still(**found) for found in values.get("still", [])]
        return Record(**{**values, "config": config, "tests": tests, "still": still})
    except (TypeError, AttributeError, KeyError) as error:
        raise InputError(f"these are not the entries of a record: {error}") from error


def read_record(path: str | Path) -> Record:
    """Reads a record from a file of JSON.

    Raises:
        InputError: if there is no such file, or it is none of a record.
    """
    path = expand(path)
    try:
        return from_json(json.loads(path.read_text()))
    except (OSError, ValueError, InputError) as error:
        raise InputError(f"{path} cannot be read as a record: {error}") from error


def hardware() -> str:
    """Names what JAX computes on."""
    devices = jax.devices()
    if devices[0].platform != "cpu":
        return f"{len(devices)} x {devices[0].device_kind}"
    cores = usable_cores()
    return f"{cores} core{'' if cores == 1 else 's'}, {_processor()}"


def _processor() -> str:
    """The name of the processor, which Linux alone keeps in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
