"""Geometric verification of a query image against stored views."""
