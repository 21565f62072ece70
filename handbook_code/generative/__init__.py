"""Losses of models that generate data or reconstruct it."""
