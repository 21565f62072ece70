"""Kernels for graphics cards, in Triton.

No loss takes one by itself: each has been run by Triton's interpreter alone,
until ``python -m handbook_code.bench.gpu`` has put it to a card. Importing
the library does not import this.
"""
