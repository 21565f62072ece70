"""Entries of the distances that maps induce."""
