"""T-Pathfinder: videos in which the longest of several growing contours is to be segmented."""
