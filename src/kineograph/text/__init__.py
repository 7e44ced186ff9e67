"""Text encoders: each owns its rule of length, padding, masking and null caption."""
