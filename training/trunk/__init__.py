"""Training the trunk: distillation and scene classification."""
