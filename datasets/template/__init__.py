"""A dataset to copy: see docs/how-to-add.md."""
