"""Losses of models that make samples or reconstruct them."""
