"""Other people's losses, to compare ours with."""

from types import ModuleType

import pytest

from handbook_code.bench.peers import load


def peer(name: str) -> ModuleType:
    """Import a peer's module, or skip the test where it is not installed."""
    try:
        return load(name)
    except ImportError as error:
        pytest.skip(f"could not import {name!r}: {error}")
