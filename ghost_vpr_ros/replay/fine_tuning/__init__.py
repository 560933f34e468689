"""Fine-tuning: a network's projection is fitted to own places, and judged on a part of them."""
