"""The handbook's figures. They plot the torch functions, not the formulas.

Importing this package gives every figure the handbook's style and makes
inline figures vector graphics.
"""

from importlib.resources import files

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib_inline.backend_inline import set_matplotlib_formats

from handbook_code.plots.adversaries import (
    apart,
    by_logit,
    made,
    paths,
    reaching,
    tracking,
)
from handbook_code.plots.angles import (
    groups,
    plane_clouds,
    target_logits,
    territories,
)
from handbook_code.plots.boundary import by_place, standoff, terrain
from handbook_code.plots.boxes import (
    around,
    box_errors,
    box_fields,
    box_paths,
    box_profiles,
    enclosures,
)
from handbook_code.plots.coders import (
    gain_in_training,
    judged_coders,
    quotients,
)
from handbook_code.plots.codes import code_costs, covers, kept, on_prior
from handbook_code.plots.combining import fronts, pulls, reach
from handbook_code.plots.compound import mixtures, part_pulls, soft_answers
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
from handbook_code.plots.diffusion import arrows, attempts, maps, swarms
from handbook_code.plots.embeddings import (
    by_distance,
    clouds,
    ranking,
    shares,
    tracks,
    zones,
)
from handbook_code.plots.features import by_depth
from handbook_code.plots.kinships import (
    answers,
    answers_by_group,
    kinships,
)
from handbook_code.plots.margins import margins, minimisers, spreads
from handbook_code.plots.opinions import agreement_by_rate, agreement_within
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
from handbook_code.plots.perception import (
    equalised,
    exponents,
    indicatrices,
    standings,
)
from handbook_code.plots.photographs import (
    by_bits,
    by_noise,
    by_probability,
)
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
from handbook_code.plots.rates import (
    by_radius,
    by_rate,
    codebooks,
    crossings,
    learnt_cells,
    noisy_codes,
    relative_errors,
)
from handbook_code.plots.reconstructions import (
    covered,
    exchanged,
    kept_power,
    likelihoods,
)
from handbook_code.plots.restoration import league, places
from handbook_code.plots.segmentation import (
    between_scores,
    contest,
    over_settings,
)
from handbook_code.plots.similarity import profiles, scores
from handbook_code.plots.speed import growths, times_ahead
from handbook_code.plots.transport import arrivals, plans

plt.style.use(str(files("handbook_code") / "handbook.mplstyle"))
# The same picture gives the same file: no date in it, no random names.
mpl.rcParams["svg.hashsalt"] = "handbook"
set_matplotlib_formats("svg", metadata={"Date": None})

__all__ = [
    "against",
    "agreement_by_rate",
    "agreement_within",
    "answers",
    "answers_by_group",
    "apart",
    "around",
    "arrivals",
    "arrows",
    "attempts",
    "balance",
    "bands",
    "beliefs",
    "between_scores",
    "box_errors",
    "box_fields",
    "box_paths",
    "box_profiles",
    "by_bits",
    "by_depth",
    "by_distance",
    "by_logit",
    "by_noise",
    "by_place",
    "by_probability",
    "by_radius",
    "by_rate",
    "by_size",
    "clouds",
    "code_costs",
    "codebooks",
    "compromise",
    "conditionals",
    "contest",
    "contours",
    "covered",
    "covers",
    "crossings",
    "curves",
    "descents",
    "divergences",
    "enclosures",
    "equalised",
    "exchanged",
    "exponents",
    "fading",
    "fits",
    "fitted",
    "fronts",
    "gain_in_training",
    "gains",
    "grid",
    "groups",
    "growing",
    "growths",
    "harmony",
    "hollow",
    "in_company",
    "indicatrices",
    "intervals",
    "judged_coders",
    "kept",
    "kept_power",
    "kinships",
    "league",
    "learnt_cells",
    "likelihoods",
    "made",
    "maps",
    "margins",
    "minimisers",
    "mixtures",
    "noises",
    "noisy_codes",
    "on_prior",
    "over_settings",
    "panels",
    "part_pulls",
    "paths",
    "places",
    "plane_clouds",
    "plans",
    "precision_recall",
    "profile",
    "profiles",
    "pulls",
    "quotients",
    "ranking",
    "reach",
    "reaching",
    "relative_errors",
    "reliability",
    "risks",
    "scores",
    "segmented",
    "shares",
    "soft_answers",
    "spreads",
    "standings",
    "standoff",
    "starts",
    "surprises",
    "swarms",
    "target_logits",
    "terrain",
    "territories",
    "times_ahead",
    "tracking",
    "tracks",
    "tradeoff",
    "two_scales",
    "two_signs",
    "weights",
    "widths",
    "zones",
]
