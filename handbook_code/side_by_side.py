"""Several coders of one build, trained and used in one call each."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from handbook_code import CompressiveAutoencoder


class Together(nn.Module):
    """Coders of one build, side by side: faster than one after the other.

    Wherever a coder stands in ``handbook_code.coding``, so can these.
    Batches, codes, reconstructions and bits have one axis more, the first, of
    coders; images without it are given to all.

    Args:
        build: gives an untrained coder.
        seeds: of each coder's first weights.

    >>> from handbook_code.coding import image_coder
    >>> pair = Together(image_coder, seeds=(0, 1)).eval()
    >>> pair.reconstruct(torch.rand(5, 1, 16, 16)).shape
    torch.Size([2, 5, 1, 16, 16])
    """

    def __init__(
        self, build: Callable[[], CompressiveAutoencoder], seeds: Sequence[int]
    ):
        super().__init__()
        coders = [seeded(build, seed) for seed in seeds]
        self.one, self.count = [deepcopy(coders[0])], len(coders)
        self.encoder = _Stack([c.encoder for c in coders])
        self.bottleneck = _Stack([c.bottleneck for c in coders])
        self.decoder = _Stack([c.decoder for c in coders])

    def forward(
        self, x: Tensor, *, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reconstructions and bits, as those of one coder."""
        code, bits = self.bottleneck(self.encode(x), noise=noise)
        return self.decoder(code), bits

    def encode(self, x: Tensor) -> Tensor:
        """The codes before they are rounded, of every coder."""
        own = x if x.dim() == 5 else x.expand(self.count, *x.shape)
        return self.encoder(own)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The decoders' answers to the rounded codes."""
        return self.decoder(torch.round(self.encode(x)))

    def coders(self) -> list[CompressiveAutoencoder]:
        """Each by itself, in evaluation mode, with weights of its own."""
        found = []
        for number in range(self.count):
            found.append(deepcopy(self.one[0]).eval())
            own = {
                name.replace(".each.", ".").replace("/", "."): p[number]
                for name, p in self.state_dict().items()
            }
            found[-1].load_state_dict(own)
        return found


class _Stack(nn.Module):
    """Modules that differ in their weights, by one call of each operation."""

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        state, _ = stack_module_state(modules)
        self.each = nn.ParameterDict(
            {name.replace(".", "/"): p.detach() for name, p in state.items()}
        )
        self.one = [deepcopy(modules[0]).to("meta")]  # no weights of its own

    def forward(self, x: Tensor, **keywords: Tensor | None):
        one = self.one[0].train(self.training)
        state = {name.replace("/", "."): p for name, p in self.each.items()}
        given = {k: v for k, v in keywords.items() if v is not None}

        def call(state: dict, x: Tensor, given: dict):
            return functional_call(one, state, (x,), given)

        return vmap(call, randomness="different")(state, x, given)


def seeded(
    build: Callable[[], CompressiveAutoencoder], seed: int
) -> CompressiveAutoencoder:
    """What is built if the global generator starts at a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()
