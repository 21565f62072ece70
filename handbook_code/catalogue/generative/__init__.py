"""Entries of the losses of generative models."""
"""Entries of the losses of models that make samples."""
