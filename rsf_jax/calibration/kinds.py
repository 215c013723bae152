"""Kinds of units that a policy is calibrated on."""

VIDEOS, STREAMS, CLIPS = "videos", "streams", "clips"
