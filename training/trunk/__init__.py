"""Training of the trunk: distillation and scene classification."""
