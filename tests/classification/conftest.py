"""Samples for the tests of margins."""

import pytest
import torch


@pytest.fixture
def pair(generator):
    """Scores on either side of every corner, and labels −1 and +1."""
    x = torch.randn(400, generator=generator, dtype=torch.float64).mul_(3)
    label = torch.randint(2, (400,), generator=generator)
    return x, 2.0 * label.double() - 1


@pytest.fixture
def segmented(generator):
    """Probabilities of four classes, all present, and the class of a pixel."""
    logits = torch.randn(2, 4, 5, 6, generator=generator).double()
    labels = torch.randint(4, (2, 5, 6), generator=generator)
    labels[:, 0, :4] = torch.arange(4)
    return logits.softmax(1), labels


@pytest.fixture
def mask(generator):
    """Probabilities of one foreground, and its mask, soft in no pixel."""
    probs = torch.rand(3, 1, 4, 5, generator=generator).double()
    return probs, torch.randint(2, (3, 1, 4, 5), generator=generator).double()
