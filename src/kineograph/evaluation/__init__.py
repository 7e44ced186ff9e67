"""How good a video is: alikeness, and what can be read out of it."""
