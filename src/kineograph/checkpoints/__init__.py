"""Weights in files: reading, writing, and the key maps between public names and ours."""
