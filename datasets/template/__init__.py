"""A dataset to copy: see "How to add" in WORKSPACE.md."""
