"""Scores of models on videos."""
