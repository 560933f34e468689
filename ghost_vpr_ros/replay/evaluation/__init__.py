"""Measuring retrieval and recognition against ground truth."""
