"""Entries of the losses of models that make samples or reconstruct them."""
