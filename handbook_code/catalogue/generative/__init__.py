"""Entries of the losses of models that make samples or reconstruct them."""
"""Entries of the losses of models that generate."""
