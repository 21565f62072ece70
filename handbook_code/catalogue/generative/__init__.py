"""Entries of the losses of models that make samples."""
