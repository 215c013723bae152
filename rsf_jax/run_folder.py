"""The folder of a run: what lies in it, and under which names; see docs/run-folder.md."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.paths import expand, unfinished


class RunFolder:
    """The files of a run.

    What is made with other settings, another checkpoint, other data or another policy than the
    run's own has a suffix in its name (`evaluation.name_suffix`).

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expand(path)

    def __str__(self) -> str:
        """Returns the path."""
        return str(self.path)

    @property
    def config(self) -> Path:
        """Settings, for people to read; written when the run begins."""
        return self.path / "config.json"

    @property
    def checkpoints(self) -> Path:
        """A folder for each checkpoint, named by its number of updates."""
        return self.path / "checkpoints"

    @property
    def curves(self) -> Path:
        """Training curves, a point in each line."""
        return self.path / "curves.jsonl"

    @property
    def events(self) -> Path:
        """The same for TensorBoard."""
        return self.path / "events"

    @property
    def lock(self) -> Path:
        """Held by the process that trains in the folder."""
        return self.path / ".lock"

    @property
    def card(self) -> Path:
        """The card of weights that were not trained here."""
        return self.path / "pretrained.json"

    @property
    def policy(self) -> Path:
        """The calibrated policy, with its guarantee."""
        return self.path / "policy.json"

    @property
    def reuse(self) -> Path:
        """The trial of reuse across frames, with its thresholds."""
        return self.path / "reuse.json"

    @property
    def report(self) -> Path:
        """The run on one page."""
        return self.path / "report.html"

    def results(self, suffix: str = "") -> Path:
        """A test."""
        return self.path / f"results{suffix}.json"

    def predictions(self, suffix: str = "") -> Path:
        """Predictions of the first test videos."""
        return self.path / f"predictions{suffix}.png"

    def confusion(self, suffix: str = "") -> Path:
        """The confusion matrix of a test of more than two classes."""
        return self.path / f"confusion{suffix}.png"

    def playback(self, suffix: str = "") -> Path:
        """What a test made of a few videos after every recurrent step, for the report."""
        return self.path / f"playback{suffix}.json"

    def sweep(self, suffix: str = "", kind: str = "json") -> Path:
        """A test under many policies; its picture is an svg."""
        return self.path / f"sweep{suffix}.{kind}"

    def analysis(self, suffix: str = "") -> Path:
        """What hidden states do."""
        return self.path / f"analysis{suffix}.json"

    def live(self, suffix: str = "") -> Path:
        """A test on live streams and with a still camera."""
        return self.path / f"live{suffix}.json"

    def live_partial(self, suffix: str = "") -> Path:
        """What is known of such a test that has not ended."""
        return self.path / f"live{suffix}.partial.jsonl"

    def picture(self, name: str, suffix: str = "") -> Path:
        """A picture of such a test: "live" or "still"."""
        return self.path / f"{name}{suffix}.png"

    def tests(self) -> list[Path]:
        """All tests that are there, the run's own first."""
        return sorted(self.path.glob("results*.json"))

    def pictures(self, name: str) -> list[Path]:
        """All pictures of a name that are there, whatever their suffix."""
        return sorted(self.path.glob(f"{name}*.png"))


def writable_folder(path: str | Path) -> Path:
    """Makes a folder for results if it is missing.

    Raises:
        InputError: if it cannot be made or written to.
    """
    path = expand(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        unfinished(path / "probe").unlink()
    except OSError as error:
        raise InputError(
            f"{path} cannot be written to ({error.strerror}): choose another folder"
        ) from error
    return path


@contextlib.contextmanager
def gone_if_empty(folder: Path) -> Iterator[None]:
    """Removes a new folder again if what is done here ends in an error and leaves nothing there."""
    is_new = not folder.exists()
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # not there, or not empty
                folder.rmdir()
        raise


def read_json(path: Path, remedy: str) -> Any:
    """Reads a file of a run.

    Args:
        path: the file.
        remedy: what to do if it is missing or damaged.

    Raises:
        InputError: if it is no file of JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: {remedy}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}): {remedy}") from error
