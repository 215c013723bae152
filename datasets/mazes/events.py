"""What is done to a maze at each frame of a video: the values of `event`.

They are finer than those of `events`, which every dataset of streams has and which say what can be
seen (`video_records.events`): a gate that opens and a decoy are both a `change` there.
"""

from __future__ import annotations

from video_records import events as seen

KINDS = ("start", "cut", "nothing", "near", "far", "decoy", "loss")
START, CUT, NOTHING, NEAR, FAR, DECOY, LOSS = range(len(KINDS))
# What each is among `video_records.events.EVENTS`.
SEEN = (seen.START, seen.CUT, seen.PAUSE, seen.CHANGE, seen.CHANGE, seen.CHANGE, seen.CHANGE)
