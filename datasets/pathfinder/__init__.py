"""Pathfinder: images of two long contours, one of them marked, which is to be segmented."""
