"""Losses of models that make samples or reconstruct them."""
"""Losses of models that generate."""
