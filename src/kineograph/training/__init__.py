"""Training: one loop for denoisers, one for autoencoders, both resumable."""
