"""The OpenAPI document of a server."""

from typing import Any

from rsf_jax.serving.decoding import KINDS
from rsf_jax.serving.limits import Limits
from rsf_jax.serving.problems import CODES
from rsf_jax.serving.protocol import MASKS
from rsf_jax.serving.session import WHEN_FULL
from rsf_jax.version import __version__

_NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_FRAMING = (
    "4 bytes little-endian: length of the header; the header, JSON with stream, index, status, "
    "steps, seconds, time, first, reason and parts; then the parts, each as long as it says"
)


def document(limits: Limits) -> dict[str, Any]:
    """Returns the document, as JSON has it."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rsf_jax: live video",
            "version": __version__,
            "description": (
                "Sessions of live video on one recurrent model. Frames go in and results come out "
                "over the WebSocket /v1/streams/{name}/frames: each binary message is a frame, "
                f"each answer a message of results. {_FRAMING}. Texts are objects of JSON: "
                '{"type": "reset"}, {"type": "close"} or {"type": "options", ...} in, '
                '{"error": {"code", "message"}} out. A token goes into the header Authorization, '
                "or, from a browser's WebSocket, into a second subprotocol bearer.TOKEN beside "
                f"rsf.v1. Limits: {limits!r}"
            ),
        },
        "paths": _paths(),
        "components": {
            "schemas": {"Options": _options(), "Stream": _stream(), "Problem": _problem()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _paths() -> dict[str, Any]:
    anything = _json("it", {"type": "object"})
    return {
        "/health": {"get": _call("whether it computes", anything)},
        "/metrics": {"get": _call("the work so far, for Prometheus", _text())},
        "/v1/models": {"get": _call("the model: frames, classes, colors, policy", anything)},
        "/v1/statistics": {"get": _call("the work so far", anything)},
        "/v1/policy": {
            "put": _call(
                "goes on with another policy; no stream is lost",
                anything,
                body=_object({"policy": {"type": "string"}}, ["policy"]),
            )
        },
        **_paths_of_streams(),
        "/v1/predict": {"post": _predict()},
    }


def _paths_of_streams() -> dict[str, Any]:
    stream = _json("the stream", {"$ref": "#/components/schemas/Stream"})
    anything, named = _json("it", {"type": "object"}), [_NAME]
    return {
        "/v1/streams": {
            "get": _call("all streams", anything),
            "post": _call(
                "opens a stream", stream, 201, body={"$ref": "#/components/schemas/Options"}
            ),
        },
        "/v1/streams/{name}": {
            "get": _call("a stream", stream, parameters=named),
            "put": _call(
                "opens a stream of this name",
                stream,
                201,
                parameters=named,
                body={"$ref": "#/components/schemas/Options"},
            ),
            "delete": _call("ends a stream", None, 204, parameters=named),
        },
        "/v1/streams/{name}/reset": {
            "post": _call("the next frame begins a video", stream, parameters=named)
        },
        "/v1/streams/{name}/pause": {
            "post": _call("pauses what the server feeds", stream, parameters=named)
        },
        "/v1/streams/{name}/resume": {"post": _call("goes on with it", stream, parameters=named)},
    }


def _predict() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    kinds = ("image/jpeg", "image/png", "image/webp", "video/mp4", "video/webm")
    query = [
        {"name": "masks", "in": "query", "schema": {"enum": list(MASKS)}},
        {"name": "probabilities", "in": "query", "schema": {"type": "boolean"}},
    ]
    found = _call(
        "an image or a clip, from a fresh state",
        {"description": f"{_FRAMING}; of a clip each behind its length, 4 bytes", **_content()},
        parameters=query,
    )
    return found | {"requestBody": {"required": True, "content": dict.fromkeys(kinds, binary)}}


def _content() -> dict[str, Any]:
    return {"content": _BINARY}


def _call(
    summary: str,
    answer: dict[str, Any] | None,
    status: int = 200,
    *,
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    problem = _json("what is wrong", {"$ref": "#/components/schemas/Problem"})
    found: dict[str, Any] = {
        "summary": summary,
        "responses": {str(status): answer or {"description": "done"}, "default": problem},
    }
    if parameters:
        found["parameters"] = parameters
    if body:
        found["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return found


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text() -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {"description": "text format", "content": content}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _options() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "frames": {"enum": list(KINDS), "default": KINDS[0]},
            "masks": {"enum": list(MASKS), "default": MASKS[0]},
            "probabilities": {"type": "boolean", "default": False},
            "when_full": {"enum": list(WHEN_FULL), "default": WHEN_FULL[0]},
            "budget_ms": {"type": ["number", "null"], "exclusiveMinimum": 0},
            "priority": {"type": "integer", "minimum": -100, "maximum": 100, "default": 0},
        },
    }


def _stream() -> dict[str, Any]:
    texts, numbers = ("stream", "failure"), ("frames", "waiting", "unsent", "steps")
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {name: {"type": "number"} for name in (*numbers, "frames_per_second")}
    properties |= {name: {"type": "boolean"} for name in ("connected", "own", "paused")}
    return _object(properties | {"options": {"$ref": "#/components/schemas/Options"}}, ["stream"])


def _problem() -> dict[str, Any]:
    error = _object({"code": {"enum": list(CODES)}, "message": {"type": "string"}}, ["code"])
    return _object({"error": error}, ["error"])
