"""What all builders write, see docs/dataset-contract.md; no dataset of its own."""
