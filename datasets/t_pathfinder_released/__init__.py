"""The T-Pathfinder that the authors of the paper released."""
