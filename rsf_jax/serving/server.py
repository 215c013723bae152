"""A server as a process: uvicorn, which ends once every client has what was computed for it."""

import dataclasses
import logging
import secrets
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from rsf_jax.errors import InputError
from rsf_jax.paths import expand
from rsf_jax.serving.app import make_app
from rsf_jax.serving.feeds import Feed
from rsf_jax.serving.guard import is_local
from rsf_jax.serving.service import Service

_CONNECTIONS = 256  # at once
_KEEP_ALIVE = 15  # seconds without a request
_PING = 20.0  # seconds; a client that answers none in as many is gone


@dataclasses.dataclass(frozen=True)
class Address:
    """Where a server listens.

    Attributes:
        host: this machine alone, unless it is another.
        port: 0 for any that is free.
        token: that clients have to bring; made where it is needed and not given.
        certificate, key: files of PEM for https; None for http.

    Raises:
        InputError: if the files have no certificate and its key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str = ""
    certificate: str | Path | None = None
    key: str | Path | None = None

    def __post_init__(self) -> None:
        """Reads the certificate, so that what is wrong with it is said before anything begins."""
        if self.certificate is None:
            if self.key is not None:
                raise InputError(f"{self.key} is the key of no certificate: give that, too")
            return
        for name in ("certificate", "key"):
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else expand(given))
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            key = "" if self.key is None else f" with the key {self.key}"
            raise InputError(f"{self.certificate}{key} is no certificate: {error}") from None

    def guarded(self) -> "Address":
        """Returns it with a token, if others can reach it."""
        if self.token or is_local(self.host):
            return self
        return dataclasses.replace(self, token=secrets.token_urlsafe(24))

    def url(self, port: int) -> str:
        """Returns what to open in a browser; a token is behind the #, which is sent nowhere."""
        scheme = "https" if self.certificate else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{port}/" + (f"#token={self.token}" if self.token else "")


class _Server(uvicorn.Server):
    """Tells clients what is left before their connections are closed."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drains, then closes; called by uvicorn at SIGTERM and Ctrl-C."""
        await self._service.drain()
        await self._service.parted()
        await super().shutdown(sockets)


def _worth_saying(record: logging.LogRecord) -> bool:
    """Keeps what clients send from filling the log.

    A text that is no UTF-8 is one line. A WebSocket that is refused by a status is none: uvicorn
    takes it for one that was not answered.
    """
    if record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError):
        record.exc_info = record.exc_text = None
    return "without completing handshake" not in record.getMessage()


def listen(address: Address) -> socket.socket:
    """Returns a socket that listens, so that who asks next is not refused.

    Raises:
        InputError: if the address is in use, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((address.host, address.port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise InputError(
            f"{address.host}:{address.port} cannot be listened at: {error.strerror}"
        ) from None
    return found


def serve(
    service: Service,
    address: Address,
    listening: socket.socket,
    *,
    control: bool,
    feeds: Sequence[Feed] = (),
) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        service: that was not started.
        address: where the socket listens.
        listening: see `listen`.
        control: whether clients may change the policy.
        feeds: sources of the server's own.
    """
    app = make_app(service, token=address.token, control=control, feeds=feeds)
    running = _Server(_config(app, service, address), service)  # which sets the loggers up
    logging.getLogger("uvicorn.error").addFilter(_worth_saying)
    running.run([listening])


def _config(app: ASGIApp, service: Service, address: Address) -> uvicorn.Config:
    limits = service.limits
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=limits.message_bytes,
        ws_ping_interval=_PING,
        ws_ping_timeout=_PING,
        ws_per_message_deflate=False,  # what is small and becomes large is read by nobody
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=int(limits.seconds),
        ssl_certfile=None if address.certificate is None else str(address.certificate),
        ssl_keyfile=None if address.key is None else str(address.key),
        proxy_headers=False,
    )
