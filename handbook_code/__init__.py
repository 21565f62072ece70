"""The handbook's loss functions, in the order of its chapters."""

from handbook_code._criterion import Criterion
from handbook_code.classification.margin import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)
from handbook_code.classification.overlap import (
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    penalty_dice_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)
from handbook_code.classification.probabilistic import (
    GHM,
    class_weights,
    cross_entropy_loss,
    focal_loss,
    ghm_loss,
    ghm_regression_loss,
    poly1_loss,
    poly_loss,
    softmax_focal_loss,
)
from handbook_code.generative._extractors import (
    EfficientNetLite0,
    EnergyPyramid,
)
from handbook_code.generative.adversarial import (
    clip_weights,
    gradient_penalty,
    minimax_discriminator_loss,
    minimax_generator_loss,
    non_saturating_generator_loss,
    wasserstein_critic_loss,
    wasserstein_generator_loss,
)
from handbook_code.generative.diffusion import (
    denoising_score_matching_loss,
    simple_diffusion_loss,
)
from handbook_code.generative.divergence import (
    gaussian_kl_loss,
    kl_divergence_loss,
)
from handbook_code.generative.features import (
    gram_matrix,
    perceptual_loss,
    style_loss,
)
from handbook_code.generative.reconstruction import (
    gaussian_nll_loss,
    laplace_nll_loss,
)
from handbook_code.generative.transport import (
    entropic_transport,
    sinkhorn_divergence,
    transport_plan,
)
from handbook_code.image.perceptual import (
    LPIPS,
    laplacian_pyramid,
    lpips_heads,
    lpips_layer_loss,
    nlpd,
    normalized_laplacian_pyramid,
)
from handbook_code.image.similarity import (
    ms_ssim_l1_loss,
    ms_ssim_loss,
    ssim_loss,
)
from handbook_code.metric.angular import (
    AdaFace,
    ArcFace,
    CosFace,
    SphereFace,
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)
from handbook_code.metric.euclidean import (
    contrastive_loss,
    info_nce_loss,
    triplet_loss,
)
from handbook_code.perception.autoencoders import (
    CompressiveAutoencoder,
    EntropyBottleneck,
    lloyd,
)
from handbook_code.perception.distances import (
    euclidean_distance,
    inner_distance,
    perceptual_distance,
    reconstruction_distance,
    response_jacobian,
    rms_sensitivity,
    self_distance,
    sensitivity,
)
from handbook_code.regression.boxes import (
    ciou_loss,
    diou_loss,
    eiou_loss,
    giou_loss,
    iou_loss,
    siou_loss,
)
from handbook_code.regression.pointwise import (
    huber_loss,
    log_cosh_loss,
    mae_loss,
    mse_loss,
    quantile_loss,
    rmse_loss,
    rmsle_loss,
)

__version__ = "0.1.0"

__all__ = [  # noqa: RUF022  the order of the chapters
    "mae_loss",
    "mse_loss",
    "rmse_loss",
    "rmsle_loss",
    "log_cosh_loss",
    "huber_loss",
    "quantile_loss",
    "iou_loss",
    "giou_loss",
    "diou_loss",
    "ciou_loss",
    "eiou_loss",
    "siou_loss",
    "hinge_loss",
    "squared_hinge_loss",
    "smoothed_hinge_loss",
    "ramp_loss",
    "exponential_loss",
    "cross_entropy_loss",
    "focal_loss",
    "softmax_focal_loss",
    "ghm_loss",
    "ghm_regression_loss",
    "poly1_loss",
    "poly_loss",
    "GHM",
    "class_weights",
    "dice_loss",
    "jaccard_loss",
    "tversky_loss",
    "focal_tversky_loss",
    "sensitivity_specificity_loss",
    "generalized_dice_loss",
    "asymmetric_similarity_loss",
    "penalty_dice_loss",
    "lovasz_hinge_loss",
    "lovasz_softmax_loss",
    "contrastive_loss",
    "triplet_loss",
    "info_nce_loss",
    "sphereface_loss",
    "cosface_loss",
    "arcface_loss",
    "adaface_loss",
    "SphereFace",
    "CosFace",
    "ArcFace",
    "AdaFace",
    "gaussian_nll_loss",
    "laplace_nll_loss",
    "minimax_discriminator_loss",
    "minimax_generator_loss",
    "non_saturating_generator_loss",
    "wasserstein_critic_loss",
    "wasserstein_generator_loss",
    "gradient_penalty",
    "clip_weights",
    "kl_divergence_loss",
    "gaussian_kl_loss",
    "entropic_transport",
    "sinkhorn_divergence",
    "transport_plan",
    "simple_diffusion_loss",
    "denoising_score_matching_loss",
    "perceptual_loss",
    "style_loss",
    "gram_matrix",
    "EnergyPyramid",
    "EfficientNetLite0",
    "ssim_loss",
    "ms_ssim_loss",
    "ms_ssim_l1_loss",
    "perceptual",
    "nlpd",
    "normalized_laplacian_pyramid",
    "laplacian_pyramid",
    "lpips_layer_loss",
    "LPIPS",
    "lpips_heads",
    "euclidean_distance",
    "perceptual_distance",
    "inner_distance",
    "reconstruction_distance",
    "self_distance",
    "sensitivity",
    "rms_sensitivity",
    "response_jacobian",
    "EntropyBottleneck",
    "CompressiveAutoencoder",
    "lloyd",
    "Criterion",
]
