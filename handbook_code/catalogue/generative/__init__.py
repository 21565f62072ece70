"""Entries of the losses of generative models."""
