"""Distances that a response, an encoder or an autoencoder induces."""
