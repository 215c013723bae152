"""What a server keeps beside its streams' states: how clients wanted them, and its policy."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from rsf_jax.errors import InputError
from rsf_jax.serving.session import Options

_KEY = "server"  # of a snapshot's notes


@dataclasses.dataclass(frozen=True)
class Kept:
    """What the notes of a snapshot say.

    Attributes:
        given: name of the policy that the server was started with.
        changed: text of the policy that clients have changed it to; empty if they have not.
        options: of each stream, by its name.
    """

    given: str = ""
    changed: str = ""
    options: Mapping[str, Options] = dataclasses.field(default_factory=dict)

    def notes(self) -> dict[str, Any]:
        """Returns it as a snapshot's notes."""
        return {_KEY: dataclasses.asdict(self)}

    @classmethod
    def of(cls, notes: Mapping[str, Any]) -> "Kept":
        """Returns what `notes` was called of; of a snapshot that no server has made, nothing.

        Raises:
            InputError: if it is something else.
        """
        told = notes.get(_KEY, {"given": "", "changed": "", "options": {}})
        try:
            options = {name: Options.of(one) for name, one in told["options"].items()}
            return cls(str(told["given"]), str(told["changed"]), options)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the snapshot's notes are not a server's: {error!r}") from None

    def policy(self, given: str) -> str:
        """Returns the text of the policy to go on with; empty for the one that is given now.

        What clients have changed stays, unless the server is started with another policy.

        Args:
            given: name of the policy that the server is started with now.
        """
        return self.changed if given == self.given else ""
