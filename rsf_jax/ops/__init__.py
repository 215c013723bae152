"""What cells and networks compute with: convolutions, normalization, activations."""
