"""T-Pathfinder live: streams of T-Pathfinder's videos, with pauses, bursts and cuts."""
