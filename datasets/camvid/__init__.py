"""CamVid: scenes seen from a driving car, in 11 classes."""
