"""Serves a trained model over a network: python launch/serve.py --demo.

A page shows live streams with their recurrent steps, in a browser; programs send frames over a
WebSocket, each stream with its own state. Ctrl-C ends it, after frames in hand.
"""

from collections.abc import Callable
from pathlib import Path

from absl import flags

import rsf_jax as rsf
from rsf_jax.commands import choices, opening, shared
from rsf_jax.paths import expand

_DEMO = flags.DEFINE_boolean("demo", False, "show built-in streams of contours to follow")
_STREAMS = flags.DEFINE_integer("demo_streams", 4, "how many of them", 1, 64)
_RATE = flags.DEFINE_float("demo_rate", 8.0, "frames a second of each", 0.1, 120.0)
_INPUTS = choices.inputs("videos that the server shows itself: files, stream addresses, camera:0")
_HOST = flags.DEFINE_string(
    "host", "127.0.0.1", "address to listen at; 0.0.0.0 for other machines too, with a token"
)
_PORT = flags.DEFINE_integer("port", 8000, "port to listen at; 0 for any that is free", 0, 65535)
_TOKEN = flags.DEFINE_string(
    "token_file", None, "file with the token that clients bring; one is made where it is needed"
)
_CERTIFICATE = flags.DEFINE_string("certificate", None, "file of PEM, for https")
_KEY = flags.DEFINE_string("key", None, "file of PEM with the certificate's key")
_CONTROL = flags.DEFINE_boolean(
    "control", None, "whether clients may change the policy; on this machine alone unless given"
)
_POLICY = choices.policy_or_calibrated()
_SIZE = choices.frame_size("resized to those of training")
_SLOTS = flags.DEFINE_integer(
    "slots", 0, "frames computed together; 0 for 8, or 4 with --demo", 0, 1024
)
_MOST_STREAMS = flags.DEFINE_integer("max_streams", 64, "streams open at once", 1)
_IDLE = flags.DEFINE_float(
    "idle_seconds", 60.0, "after which a stream is closed that nobody is connected to", 0.1
)
_SNAPSHOT = flags.DEFINE_string(
    "snapshot", None, "file of the streams, read at the start and written at the end and meanwhile"
)
_EVERY = flags.DEFINE_float("snapshot_seconds", 10.0, "between two snapshots", 0.1)
_ADOPT = flags.DEFINE_list(
    "adopt", [], "snapshots of other servers, whose streams go on here once they are asked for"
)

_TRIES = 5  # to open a camera or an address again


def main() -> None:
    from rsf_jax.serving import demo, server
    from rsf_jax.serving.guard import is_local
    from rsf_jax.serving.limits import Limits
    from rsf_jax.serving.service import Service

    inputs = _INPUTS()
    address = server.Address(
        _HOST.value,
        _PORT.value,
        _read_token(),
        _expanded(_CERTIFICATE.value),
        _expanded(_KEY.value),
    ).guarded()
    listening = server.listen(address)
    trained, policy = _opened(demo.MODEL, demo.POLICY)
    own = len(inputs) + (_STREAMS.value if _DEMO.value else 0)
    service = Service(
        trained,
        policy,
        frame_shape=shared.frame_size(_SIZE.value) if _SIZE.value else None,
        slots=_SLOTS.value or (4 if _DEMO.value else 8),
        limits=Limits(streams=_MOST_STREAMS.value + own, idle_seconds=_IDLE.value),
        snapshot=_expanded(_SNAPSHOT.value),
        snapshot_seconds=_EVERY.value,
        adopt=[expand(path) for path in _ADOPT.value],
    )
    shape = service.decoder.shape
    feeds = demo.feeds(_STREAMS.value, shape, _RATE.value) if _DEMO.value else []
    feeds += _own_inputs(inputs, shape)
    control = is_local(address.host) if _CONTROL.value is None else _CONTROL.value
    print(f"Open {address.url(listening.getsockname()[1])}", flush=True)
    server.serve(service, address, listening, control=control, feeds=feeds)


def _opened(model: str, policy: str) -> "tuple[rsf.Trained, rsf.StepPolicy]":
    """The model that the flags name; the one of the demonstration without."""
    named = shared.PRETRAINED.value or shared.WORKDIR.value or shared.CONFIG.value
    if not named:
        if not _DEMO.value:
            raise rsf.InputError("give --pretrained=NAME or --workdir=FOLDER, or --demo")
        shared.refuse_settings()
        if _POLICY.value == choices.CALIBRATED:
            raise rsf.InputError("--policy=calibrated is of a run: give --workdir=FOLDER")
        return rsf.load_pretrained(model), rsf.parse_policy(_POLICY.value or policy)
    trained, folder = opening.open_trained()
    text = _POLICY.value or (policy if _DEMO.value else None)
    return trained, choices.chosen(text, trained, folder)


def _own_inputs(inputs: list[str], shape: tuple[int, int, int]) -> list:
    from functools import partial

    from rsf_jax.media.late import LateSource
    from rsf_jax.media.source import Source
    from rsf_jax.media.sources import is_late, names_of, open_source
    from rsf_jax.serving.feeds import Feed, of_source

    feeds: list[Feed] = []
    for text in inputs:
        label, stem = names_of(text)
        open_it = partial(open_source, text, shape[:2], shape[2])
        make: Callable[[], Source] = open_it
        if is_late(text):
            make = partial(LateSource, label, stem, open_it, _TRIES)
        else:
            open_it().close()  # what cannot be read is told at once
        feeds.append(Feed(stem, of_source(make)))
    return feeds


def _expanded(text: str | None) -> Path | None:
    return expand(text) if text else None


def _read_token() -> str:
    from rsf_jax.serving.guard import is_token

    if not _TOKEN.value:
        return ""
    try:
        token = expand(_TOKEN.value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise rsf.InputError(f"--token_file={_TOKEN.value} cannot be read: {error}") from None
    if len(token) < 16 or not is_token(token):
        raise rsf.InputError(
            f"--token_file={_TOKEN.value}: a token of 16 letters and digits or more is needed"
        )
    return token
