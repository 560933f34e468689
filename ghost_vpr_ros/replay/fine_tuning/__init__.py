"""Fine-tuning: fit a network's projection to own places, and evaluate it on a held-out part."""
