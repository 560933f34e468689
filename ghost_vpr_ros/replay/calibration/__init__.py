"""Calibrating a map on a drive with known positions."""
