"""The handbook's figures. They plot the torch functions, not the formulas.

Importing this package gives every figure the handbook's style and makes
inline figures vector graphics.
"""

from importlib.resources import files

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from handbook_code.plots.angles import (
    clouds,
    groups,
    target_logits,
    territories,
)
from handbook_code.plots.curves import (
    against,
    descents,
    fits,
    in_company,
    intervals,
    profile,
    risks,
    two_scales,
)
from handbook_code.plots.densities import (
    compromise,
    conditionals,
    divergences,
    fitted,
    hollow,
    noises,
    two_signs,
    widths,
)
from handbook_code.plots.margins import margins, minimisers, spreads
from handbook_code.plots.pictures import (
    bands,
    fading,
    grid,
    panels,
    tradeoff,
)

plt.style.use(str(files("handbook_code") / "handbook.mplstyle"))
# The same picture gives the same file: no date in it, no random names.
mpl.rcParams["svg.hashsalt"] = "handbook"
set_matplotlib_formats("svg", metadata={"Date": None})

__all__ = [
    "against",
    "bands",
    "clouds",
    "compromise",
    "conditionals",
    "descents",
    "divergences",
    "fading",
    "fits",
    "fitted",
    "grid",
    "groups",
    "hollow",
    "in_company",
    "intervals",
    "margins",
    "minimisers",
    "noises",
    "panels",
    "profile",
    "risks",
    "spreads",
    "target_logits",
    "territories",
    "tradeoff",
    "two_scales",
    "two_signs",
    "widths",
]
