"""Entries of the losses of models that generate."""
