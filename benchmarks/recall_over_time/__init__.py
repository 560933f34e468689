"""Recall versus time of all methods with available weights, in one plot."""
