"""Autoencoders: video to normalised latents and back."""
