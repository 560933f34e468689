"""Readers of the published formats of place and scene datasets."""
