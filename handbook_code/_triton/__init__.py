"""Kernels for graphics cards, in Triton.

No loss takes one by itself: each has been run by Triton's interpreter, and
compiled for a card, and run on none. ``python -m handbook_code.bench.gpu``
puts them to one. What its record shows to be right and faster would earn a
line in the pass that it replaces: ``line_up`` of ``metric/_line_up.py`` and
``_transport`` of ``generative/_fast_transport.py`` have the signature of
their kernel, so that ``if x.is_cuda: return kernel(…)`` is all; the others
stand for a whole pass. Importing the library does not import this.
"""
