"""Functions of all the values of a term, such as the largest, as formulas."""

from sympy import Expr, Max, Min, Piecewise, Tuple, oo, sympify


class OverIndex(Expr):
    """A function of all the values that a term takes over an index."""

    is_commutative = True

    def __new__(cls, term, limits, *rest):
        return super().__new__(
            cls, sympify(term), Tuple(*limits), *map(sympify, rest)
        )

    @property
    def free_symbols(self):
        term, (index, low, high), *rest = self.args
        inner = term.free_symbols.union(*(r.free_symbols for r in rest))
        return inner - {index} | low.free_symbols | high.free_symbols

    def _values(self, of):
        _, (index, low, high), *_ = self.args
        places = range(int(low), int(high) + 1)
        return [of.subs(index, place).doit() for place in places]


class Largest(OverIndex):
    """The largest of them."""

    def doit(self, **hints):
        return Max(*self._values(self.args[0]))

    def _latex(self, printer):
        term, (index, *_) = self.args
        index, term = map(printer.doprint, (index, term))
        return rf"\max_{{{index}}} {term}"

    def _mpmathcode(self, printer):
        term, limits = self.args
        term, index, low, high = map(printer.doprint, (term, *limits))
        return f"max({term} for {index} in range({low}, {high} + 1))"


class Nearest(OverIndex):
    """The least of those where ``side`` is negative; else ``none``."""

    def doit(self, **hints):
        term, _, side, none = self.args
        values = zip(self._values(term), self._values(side), strict=True)
        least = Min(*(Piecewise((v, x < 0), (oo, True)) for v, x in values))
        return Piecewise((least, least < oo), (none.doit(), True))

    def _latex(self, printer):
        term, (index, *_), side, none = self.args
        index, none, term, side = map(
            printer.doprint, (index, none, term, side)
        )
        where = rf"{index}:\, {side} < 0"
        return rf"\min_{{{where}}} {term} \quad(\text{{if none: }} {none})"

    def _mpmathcode(self, printer):
        term, limits, *rest = self.args
        parts = map(printer.doprint, (term, *limits, *rest))
        term, index, low, high, side, none = parts
        places = f"for {index} in range({low}, {high} + 1)"
        return f"min([{term} {places} if {side} < 0] or [{none}])"


class Extreme(OverIndex):
    """The largest of those where a condition holds, or the least."""

    def doit(self, **hints):
        term, _, where = self.args
        pairs = zip(self._values(term), self._values(where), strict=True)
        none = self.sign * -oo
        choose = Max if self.sign > 0 else Min
        return choose(*(Piecewise((v, w), (none, True)) for v, w in pairs))

    def _latex(self, printer):
        term, (index, *_), where = self.args
        index, term, where = map(printer.doprint, (index, term, where))
        return rf"\{self.name}_{{{index}:\, {where}}} {term}"

    def _mpmathcode(self, printer):
        term, limits, where = self.args
        parts = map(printer.doprint, (term, *limits, where, self.sign * -oo))
        term, index, low, high, where, none = parts
        places = f"for {index} in range({low}, {high} + 1)"
        return f"{self.name}([{term} {places} if {where}] or [{none}])"


class Most(Extreme):
    name, sign = "max", 1


class Least(Extreme):
    name, sign = "min", -1
