"""Live video over a network: an ASGI application over one stream engine in a thread of its own.

`app` has the routes, `guard` what stands in front of all of them, `limits` what nobody may exceed.
`service` opens and closes sessions, `session` is one stream of a client or of the server,
`runner` computes. `decoding` makes frames of what clients send, `protocol` messages of results,
`socket` reads and writes them. `feeds` are the server's own sources, `demo` the built-in streams,
`metrics` and `openapi` what machines read, `server` a process. `client` calls one from Python.

It needs Starlette and uvicorn, whose import takes its time: each name is imported when it is asked
for.
"""

from typing import TYPE_CHECKING

from rsf_jax.lazy import attach

if TYPE_CHECKING:
    from rsf_jax.serving.app import make_app
    from rsf_jax.serving.client import Client
    from rsf_jax.serving.limits import Limits
    from rsf_jax.serving.service import Service

__all__ = ["Client", "Limits", "Service", "make_app"]

__getattr__ = attach(
    __name__,
    {
        ".app": ["make_app"],
        ".client": ["Client"],
        ".limits": ["Limits"],
        ".service": ["Service"],
    },
)
