"""Training; run from the root as `python -m training.NAME`, never installed."""
