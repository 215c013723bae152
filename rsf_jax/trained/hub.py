"""Trained models on the Hugging Face hub: their cards and weights are fetched, nothing else.

Files of JSON and of safetensors alone are read, none of which can hold a program.
"""

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from rsf_jax.errors import InputError

PREFIX = "hf:"
FORM = f"{PREFIX}OWNER/NAME"
_ADDRESS = re.compile(rf"{PREFIX}(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>\S+))?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Repository:
    """A repository of the hub.

    Attributes:
        name: owner and name, with a slash between them.
        revision: a branch, a tag or a commit; None for the newest state.
    """

    name: str
    revision: str | None = None

    @classmethod
    def of(cls, address: str) -> "Repository":
        """Returns the repository of `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION`.

        Raises:
            InputError: if the address is of another form.
        """
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise InputError(
                f"{address!r} names no model of the hub: write {FORM}, or {FORM}@REVISION for a "
                "branch, a tag or a commit"
            )
        return cls(match["name"], match["revision"])

    def cards(self) -> Path:
        """Fetches the files of JSON, and returns the folder that they lie in.

        What has been fetched before is taken from the hub's cache if there is no network.

        Raises:
            InputError: if there is no such repository or revision, or no network; a
                `MissingExtraError` if huggingface_hub is not installed.
        """
        import huggingface_hub

        with self._in_words("the card"):
            return Path(
                huggingface_hub.snapshot_download(
                    self.name, revision=self.revision, allow_patterns=["*.json"]
                )
            )

    def add_weights(self, weights: Path) -> None:
        """Fetches a file of safetensors into a folder that `cards` has returned.

        Raises:
            InputError: as `cards`; or if the file is of another kind, or not there.
        """
        import huggingface_hub

        if weights.suffix != ".safetensors":
            raise InputError(
                f"the card of {PREFIX}{self.name} names {weights.name}: of the hub, files of "
                "safetensors alone are loaded"
            )
        # The commit of the card, by which the folder is called: a branch may have moved.
        commit = weights.parent.name
        with self._in_words(weights.name):
            huggingface_hub.hf_hub_download(self.name, weights.name, revision=commit)

    @contextlib.contextmanager
    def _in_words(self, file: str) -> Iterator[None]:
        """Says in a line what of the hub's errors a user can do something about."""
        from huggingface_hub import errors

        at = f" at {self.revision}" if self.revision else ""
        try:
            yield
        except errors.GatedRepoError as error:
            raise InputError(
                f"{PREFIX}{self.name} is open to those its owner lets in: ask there, then log in "
                "(hf auth login)"
            ) from error
        except errors.RepositoryNotFoundError as error:
            raise InputError(
                f"the hub has no model {self.name}, or it is private: check the name, or log in "
                "(hf auth login)"
            ) from error
        except errors.RevisionNotFoundError as error:
            raise InputError(
                f"{PREFIX}{self.name} has no revision {self.revision!r}: give a branch, a tag or a "
                "commit of it"
            ) from error
        except errors.LocalEntryNotFoundError as error:
            raise InputError(
                f"the hub cannot be reached, and {file} of {self.name}{at} has not been fetched "
                "before: check the network (HF_HUB_OFFLINE, HF_ENDPOINT), or give a folder"
            ) from error
        except errors.EntryNotFoundError as error:
            raise InputError(
                f"{PREFIX}{self.name}{at} lacks {file}, which its card names"
            ) from error
        except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(
                f"{file} of {PREFIX}{self.name}{at} cannot be fetched: {said}"
            ) from error
