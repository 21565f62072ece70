"""The handbook's figures. They plot the torch functions, not the formulas.

Importing this package gives every figure the handbook's style and makes
inline figures vector graphics.
"""

from importlib.resources import files

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from handbook_code.plots.angles import (
    groups,
    plane_clouds,
    target_logits,
    territories,
)
from handbook_code.plots.boxes import (
    around,
    box_errors,
    box_fields,
    box_paths,
    box_profiles,
    enclosures,
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
from handbook_code.plots.embeddings import (
    by_distance,
    clouds,
    ranking,
    shares,
    tracks,
    zones,
)
from handbook_code.plots.kinships import answers, kinships
from handbook_code.plots.margins import margins, minimisers, spreads
from handbook_code.plots.overlap import (
    balance,
    by_size,
    contours,
    curves,
    growing,
    segmented,
    starts,
    weights,
)
from handbook_code.plots.perception import standings
from handbook_code.plots.pictures import (
    bands,
    fading,
    grid,
    panels,
    tradeoff,
)
from handbook_code.plots.probabilities import (
    beliefs,
    gains,
    harmony,
    precision_recall,
    reliability,
    surprises,
)

plt.style.use(str(files("handbook_code") / "handbook.mplstyle"))
# The same picture gives the same file: no date in it, no random names.
mpl.rcParams["svg.hashsalt"] = "handbook"
set_matplotlib_formats("svg", metadata={"Date": None})

__all__ = [
    "against",
    "answers",
    "around",
    "balance",
    "bands",
    "beliefs",
    "box_errors",
    "box_fields",
    "box_paths",
    "box_profiles",
    "by_distance",
    "by_size",
    "clouds",
    "compromise",
    "conditionals",
    "contours",
    "curves",
    "descents",
    "divergences",
    "enclosures",
    "fading",
    "fits",
    "fitted",
    "gains",
    "grid",
    "groups",
    "growing",
    "harmony",
    "hollow",
    "in_company",
    "intervals",
    "kinships",
    "margins",
    "minimisers",
    "noises",
    "panels",
    "plane_clouds",
    "precision_recall",
    "profile",
    "ranking",
    "reliability",
    "risks",
    "segmented",
    "shares",
    "spreads",
    "standings",
    "starts",
    "surprises",
    "target_logits",
    "territories",
    "tracks",
    "tradeoff",
    "two_scales",
    "two_signs",
    "weights",
    "widths",
    "zones",
]
