"""Measured speed: what a recurrent step, a frame, a video, an update and a live stream cost."""
