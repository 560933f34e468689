"""Measuring a network by a protocol."""
