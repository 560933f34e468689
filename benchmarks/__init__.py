"""Measurements of speed, scale and recall, compared with other methods; `make bench`."""
