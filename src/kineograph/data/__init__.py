"""Data on its way to training: stored latents, batches."""
