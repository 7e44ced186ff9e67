"""Denoisers: noisy latents, their time and a condition in, a prediction out."""
