"""What datasets share that a function of settings, seed and index makes; no dataset of its own."""
