"""Mazes: segment what is connected with a marked cell, in images, videos and streams."""
