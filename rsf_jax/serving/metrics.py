"""The work so far, as Prometheus reads it."""

from collections.abc import Iterator

from rsf_jax.serving.service import Service
from rsf_jax.streaming import Statistics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_STATUSES = ("done", "cut", "repeated", "dropped", "failed")


def exposition(service: Service) -> str:
    """Returns all metrics in the text format."""
    return "\n".join([*_lines(service, service.engine.statistics()), ""])


def _lines(service: Service, counted: Statistics) -> Iterator[str]:
    yield from _family("rsf_frames_total", "counter", "Frames by what became of them.")
    for status in _STATUSES:
        yield f'rsf_frames_total{{status="{status}"}} {getattr(counted, status)}'
    single = (
        ("rsf_frames_waiting", "gauge", "Frames in queues and slots.", counted.waiting),
        ("rsf_frames_refused_total", "counter", "Frames that were not taken.", counted.refused),
        ("rsf_ticks_total", "counter", "Calls of the compiled program.", counted.ticks),
        ("rsf_tick_seconds_total", "counter", "Seconds spent in them.", counted.seconds),
        ("rsf_steps_total", "counter", "Recurrent steps computed.", counted.slot_steps),
        ("rsf_useful_steps_total", "counter", "Of these, needed.", counted.useful_steps),
        ("rsf_occupancy", "gauge", "Mean share of slots with a frame.", counted.occupancy),
        ("rsf_streams", "gauge", "Streams that are open.", len(service.sessions)),
        (
            "rsf_requests_refused_total",
            "counter",
            "Requests and messages that could not be used.",
            service.refused,
        ),
        ("rsf_failed_ticks_total", "counter", "Ticks that have failed.", service.runner.failures),
        ("rsf_start_time_seconds", "gauge", "Start, since 1970.", service.began),
    )
    for name, kind, meaning, value in single:
        yield from _family(name, kind, meaning)
        yield f"{name} {value}"
    latencies = (
        ("rsf_latency_seconds", counted.latency, counted.done + counted.cut),
        ("rsf_repeated_latency_seconds", counted.repeated_latency, counted.repeated),
    )
    for name, percentiles, count in latencies:
        yield from _family(name, "summary", "From a frame to its result, of the last 20,000.")
        for percentile, seconds in percentiles.items():
            yield f'{name}{{quantile="{percentile / 100:g}"}} {seconds}'
        yield f"{name}_count {count}"


def _family(name: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
