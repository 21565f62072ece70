"""Losses of models that make samples."""
