"""What every training loop needs: batches, optimiser, checkpoints, processes."""
