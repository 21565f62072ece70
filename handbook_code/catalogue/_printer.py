"""How formulas are typeset, in chapters and on cards."""

from sympy.printing.latex import LatexPrinter


class Printer(LatexPrinter):
    """SymPy's LaTeX, but a sum with a positive term does not begin with −."""

    def _as_ordered_terms(self, expression, order=None):
        terms = super()._as_ordered_terms(expression, order=order)
        return sorted(terms, key=lambda term: term.could_extract_minus_sign())
