"""Training: the recipe, one step, the loop, checkpoints."""
