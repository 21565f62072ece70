"""Entries of the losses between embeddings."""
