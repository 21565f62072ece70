"""Losses of models that generate."""
