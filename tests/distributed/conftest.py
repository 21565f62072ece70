"""Two and four processes, started once, for all tests of this folder."""

import pytest

from handbook_code.bench.processes import Processes


@pytest.fixture(scope="session", params=[2, 4])
def everywhere(request):
    """Call a function of a test file on each rank, for what each gives."""
    with Processes(request.param) as processes:
        yield processes


@pytest.fixture(scope="session")
def both():
    """Two ranks, where the number does not matter."""
    with Processes(2) as processes:
        yield processes
