"""Paths, predictions, times, objectives, guidance and samplers; no model is known here."""
