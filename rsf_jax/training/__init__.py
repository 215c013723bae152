"""Training: state, step, parallel devices, checkpoints and the loop that joins them."""
