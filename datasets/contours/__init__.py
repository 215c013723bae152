"""Dashed contours, laid out and drawn: what both Pathfinders share; no dataset of its own."""
