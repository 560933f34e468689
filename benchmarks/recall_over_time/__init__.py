"""Recall against time: every method that runs here with real weights, in one picture."""
