"""The catalogue entry."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import sympy as sp
import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss: its code, the formula the code must match, what is true of both.

    ``formula`` is of one sample: a residual, a row of logits, a pair of boxes,
    an image. Where samples are ``coupled`` the sample is a whole batch; a loss
    without a ``reduction`` is one number by nature, and coupled.

    ``arguments`` are what ``function`` takes, written in the variables of
    ``formula`` so that they are valid by construction: a residual loss takes
    ``(y + r, y)``, a box is the tuple ``(a, b, a + w, b + h)``. ``given`` are
    keyword arguments that are tensors: weights, a distance map, the noise that
    the loss would draw by itself. A ``Lambda`` in either is a network: the
    code calls it, and so does the formula; of a row of two numbers where its
    signature is ``((a, b),)``, of two such rows where it is
    ``((a, b), (c, d))``. An ``IndexedBase`` is an array; its shape may
    be general, ``(K,)``, and ``sizes`` says at which K the formula is compared
    with the code. What is ``shared`` has no axis of samples, such as the
    weights of classes: all samples of a call have the same.

    ``where`` lists the abbreviations of the formula, such as an area, each
    written in variables or in what comes after it; those in ``held`` are
    constants to the gradient. Whatever else is free is a keyword argument of
    the same name, or of the name that ``keywords`` gives. ``domain`` says what
    a variable or parameter is drawn from, if not from all real or all positive
    numbers: an interval, or a set of values.

    ``preset`` holds keyword arguments for every call that draws none: those
    without a default, those that make a small sample a valid one, and the
    reduction of a function whose default is one value per sample.

    No value lies outside ``bounds``. ``share`` is what a sample counts for:
    the mean divides by the sum of the shares. What is in ``widths``, such as
    a variance, is no point: it stays when points are moved, scaled or
    exchanged. ``noise`` names the density that is exp(−ρ) up to its
    normaliser, and gives the normaliser. ``module`` makes a module that owns
    some of the arguments. What every loss is held to and this one ``lacks``
    is listed, each with its reason.
    """

    function: Callable[..., Tensor]
    arguments: tuple
    formula: sp.Expr
    properties: frozenset[str]
    reference: str
    bounds: tuple[sp.Expr, sp.Expr] = (sp.S.Zero, sp.oo)
    given: Mapping[str, sp.Expr] = field(default_factory=dict)
    preset: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[sp.Expr, sp.Expr] = field(default_factory=dict)
    held: frozenset[sp.Expr] = frozenset()
    keywords: Mapping[str, sp.Symbol] = field(default_factory=dict)
    sizes: Mapping[sp.Symbol, int] = field(default_factory=dict)
    domain: Mapping[sp.Expr, tuple[float, float] | set] = field(
        default_factory=dict
    )
    coupled: bool = False
    shared: frozenset[sp.Expr] = frozenset()
    share: sp.Expr = sp.S.One
    widths: frozenset[sp.Expr] = frozenset()
    noise: tuple[str, sp.Expr] | None = None
    module: Callable[..., nn.Module] | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if not self.reduces and not self.coupled:
            raise ValueError(
                f"coupled: expected True where one number is all that "
                f"{self.name} gives, got False"
            )
        # Here, since torch.compile cannot look into sympy.
        networks = [
            Network(a) if isinstance(a, sp.Lambda) else None
            for a in (*self.arguments, *self.given.values())
        ]
        object.__setattr__(self, "networks", networks)

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def chapter(self) -> str:
        module = self.function.__module__.removeprefix("handbook_code.")
        return module.replace(".", "/")

    @cached_property
    def reduces(self) -> bool:
        return "reduction" in inspect.signature(self.function).parameters

    @cached_property
    def variables(self) -> tuple[sp.Expr, ...]:
        """What the arguments are written in: numbers and arrays."""
        return self._unknowns(sp.Tuple(*self.tensor_arguments))

    @cached_property
    def tensor_arguments(self) -> list:
        """Arguments that are no networks, in the order of a call."""
        return [
            argument
            for argument in (*self.arguments, *self.given.values())
            if not isinstance(argument, sp.Lambda)
        ]

    @cached_property
    def is_shared(self) -> list[bool]:
        """Of every tensor of a call, whether it has no axis of samples."""
        return [argument in self.shared for argument in self.tensor_arguments]

    @cached_property
    def parameters(self) -> dict[str, sp.Symbol]:
        """The keyword arguments of the formula, by name."""
        names = {symbol: name for name, symbol in self.keywords.items()}
        free = self._unknowns(self.in_full)
        return {
            names.get(p, p.name): p for p in free if p not in self.variables
        }

    @cached_property
    def in_full(self) -> sp.Expr:
        """The formula without abbreviations."""
        return self._in_full(lambda constant: constant)

    @cached_property
    def in_full_with_constants(self) -> tuple[sp.Expr, dict]:
        """The same, what is held written in twins of the variables.

        Twins have the same values, but no slope is taken in them.
        """
        twins = {v: _twin(v) for v in self.variables}
        labels = {
            v.label: t.label
            for v, t in twins.items()
            if isinstance(v, sp.IndexedBase)
        }

        def freeze(constant: sp.Expr) -> sp.Expr:
            return constant.xreplace(twins | labels)

        return self._in_full(freeze), twins

    def _in_full(self, freeze: Callable[[sp.Expr], sp.Expr]) -> sp.Expr:
        steps = list(self.where.items())

        def spell(expression: sp.Expr, first: int) -> sp.Expr:
            for n, (name, meaning) in enumerate(steps[first:], first):
                if name in self.held:
                    meaning = freeze(spell(meaning, n + 1))
                expression = _spell_out(expression, name, meaning)
            return expression

        return spell(self.formula, 0)

    def at(
        self, sizes: Mapping[sp.Symbol, int], *, in_full: bool = True
    ) -> sp.Expr:
        """The formula of that size, sums and abbreviations written out."""
        formula = self.in_full if in_full else self.formula
        arrays = {a.label: a for a in formula.atoms(sp.IndexedBase)}
        return (
            formula.subs(sizes)
            .doit()
            .replace(  # z of shape (3,) by the z of shape (K,) that it was
                lambda e: isinstance(e, sp.Indexed),
                lambda e: arrays[e.base.label][e.indices],
            )
        )

    def apply(self, *tensors: Tensor, **options) -> Tensor:
        """Call the function: positional tensors first, then the given."""
        positional, given = self.split(*tensors)
        return self.function(
            *positional, **{**given, **self.preset, **options}
        )

    def split(self, *tensors: Tensor) -> tuple[list, dict]:
        """What a call has without a name, networks too, and what with one."""
        rest: Iterator[Tensor] = iter(tensors)
        each = [network or next(rest) for network in self.networks]
        unnamed = len(self.arguments)
        return each[:unnamed], dict(
            zip(self.given, each[unnamed:], strict=True)
        )

    def __call__(self, *tensors: Tensor, **options: float) -> Tensor:
        """One value per sample, or per batch where samples are coupled.

        What is shared in a call has here, too, one row per value.
        """
        if self.coupled:
            return torch.vmap(partial(self.apply, **options))(*tensors)
        if not self.shared:
            return self.apply(*tensors, **options, reduction="none")

        def alone(*row: Tensor) -> Tensor:
            batch = [
                x if shared else x[None]
                for x, shared in zip(row, self.is_shared, strict=True)
            ]
            return self.apply(*batch, **options, reduction="none")[0]

        return torch.vmap(alone)(*tensors)

    def sample(self, n: int, generator: torch.Generator) -> dict:
        """Draw ``n`` values of every variable, equal ones if shared."""
        drawn = {v: self._draw(v, n, generator) for v in self.variables}
        for v in self.shared:
            drawn[v][1:] = drawn[v][0]
        return drawn

    def options(self, generator: torch.Generator) -> dict[str, float]:
        """Draw one value of every keyword argument."""
        return {
            name: self._draw(p, 1, generator).item()
            for name, p in self.parameters.items()
        }

    def tensors(self, values: Mapping[sp.Expr, Tensor]) -> list[Tensor]:
        """Arguments, one row per sample, from values of the variables."""
        # Entries u[0, 1] of an array then read as in the formula.
        columns = [values[v].movedim(0, -1) for v in self.variables]

        def build(argument) -> Tensor:
            if isinstance(argument, tuple):
                return torch.stack([build(a) for a in argument], dim=-1)
            if argument in values:
                return values[argument]
            # As plain arithmetic: the torch printer knows no entries.
            evaluate = sp.lambdify(self.variables, argument, vars(torch))
            return evaluate(*columns)

        return [build(argument) for argument in self.tensor_arguments]

    def call(self, n: int, generator: torch.Generator) -> list[Tensor]:
        """Arguments of one call: ``n`` samples, or one that is a batch."""
        return self.batch(self.sample(n, generator))

    def batch(self, values: Mapping[sp.Expr, Tensor]) -> list[Tensor]:
        """The same from values of the variables."""
        arguments = self.tensors(values)
        if self.coupled:
            return [a[0] for a in arguments]
        return [
            a[0] if shared else a
            for a, shared in zip(arguments, self.is_shared, strict=True)
        ]

    def _unknowns(self, expression: sp.Basic) -> tuple[sp.Expr, ...]:
        arrays = expression.atoms(sp.IndexedBase)
        labels = {array.label for array in arrays}
        free = {
            s
            for s in expression.free_symbols - labels - self.sizes.keys()
            if s.is_Symbol
        }
        return tuple(sorted(arrays | free, key=str))

    def _draw(self, of: sp.Expr, n: int, generator: torch.Generator) -> Tensor:
        axes = getattr(of, "shape", None) or ()
        shape = (n, *(int(sp.sympify(a).subs(self.sizes)) for a in axes))
        like = {"generator": generator, "device": generator.device}
        match self.domain.get(of):
            case None:
                z = 2 * torch.randn(shape, dtype=torch.float64, **like)
                return z.exp() if of.is_positive else z
            case (low, high):
                u = torch.rand(shape, dtype=torch.float64, **like)
                return low + (high - low) * u
            case choices:
                dtype = torch.long if of.is_integer else torch.float64
                values = torch.tensor(
                    sorted(choices), dtype=dtype, device=generator.device
                )
                return values[torch.randint(len(values), shape, **like)]


class Network:
    """A ``Lambda`` that is called with tensors, and can be pickled."""

    def __init__(self, formula: sp.Lambda):
        self.formula = formula
        self.takes_rows = formula.signature != formula.variables
        # Under torch's __name__ the compiler would look for it in torch.
        names = {n: v for n, v in vars(torch).items() if n[:2] != "__"}
        self.evaluate = sp.lambdify(formula.signature, formula.expr, names)

    def __call__(self, *tensors: Tensor):
        if self.takes_rows:
            tensors = tuple(tensor.unbind(-1) for tensor in tensors)
        return self.evaluate(*tensors)

    def __reduce__(self):
        return Network, (self.formula,)


def _twin(variable: sp.Expr) -> sp.Expr:
    if isinstance(variable, sp.IndexedBase):
        label = sp.Dummy(f"{variable.label}_held", **variable.assumptions0)
        return sp.IndexedBase(label, shape=variable.shape)
    return sp.Dummy(f"{variable.name}_held", **variable.assumptions0)


def _spell_out(formula: sp.Expr, name: sp.Expr, meaning: sp.Expr) -> sp.Expr:
    """Replace a symbol, or every entry s[i, j] of an abbreviated array."""
    if not isinstance(name, sp.Indexed):
        return formula.subs(name, meaning)
    return formula.replace(
        lambda e: isinstance(e, sp.Indexed) and e.base == name.base,
        lambda e: meaning.subs(
            dict(zip(name.indices, e.indices, strict=True)), simultaneous=True
        ),
    )
