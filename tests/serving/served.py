"""What the tests of servers serve."""

SIZE = (12, 14)  # of frames, in pixels

HOSTS = ["testserver"]  # as Starlette's client calls a server
