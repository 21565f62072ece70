"""Losses of what a model generates."""
