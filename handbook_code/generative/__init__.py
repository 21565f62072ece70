"""Losses of models that generate data or reconstruct it."""
"""Losses of models that make samples."""
