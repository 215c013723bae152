"""Pathfinder as others have released it: of C-RBP, with masks, and of the Long Range Arena."""
