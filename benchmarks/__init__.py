"""Measurements of speed, scale and recall, beside the work of others; `make bench`."""
