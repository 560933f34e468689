"""Shared by all training loops: batches, optimiser, checkpoints, processes."""
