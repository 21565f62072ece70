"""Losses of distances and angles between embeddings."""
