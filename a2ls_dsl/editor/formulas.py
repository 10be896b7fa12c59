"""The operators' formulas in plain characters, each to be read by itself."""

from __future__ import annotations

_ALONE = "mean over i of log(1 + (B − 1) exp(−L[i,i]))"
_SOFTMAX = "mean over i of −log(exp L[i,i] / sum over j of exp L[i,j])"
_UNIT = "ŷ = y / |y|, ẑ = z / |z|"

FORMULAS: dict[str, tuple[str, str]] = {
    "mse": ("mean (y − z)²", "mean (y − z)² − mean (y − z′)²"),
    "nmse": (f"mean (ŷ − ẑ)², {_UNIT}", f"mean (ŷ − ẑ)² − mean (ŷ − ẑ′)², {_UNIT}"),
    "inner": (f"{_ALONE}, L[i,j] = y[i] · z[j]", f"{_SOFTMAX}, L[i,j] = y[i] · z[j]"),
    "bilinear": (f"{_ALONE}, L[i,j] = z[i] W y[j]", f"{_SOFTMAX}, L[i,j] = z[i] W y[j]"),
    "cosine": (f"{_ALONE}, L[i,j] = ŷ[i] · ẑ[j], {_UNIT}", f"{_SOFTMAX}, L[i,j] = ŷ[i] · ẑ[j], {_UNIT}"),
    "huber": ("mean of e² / 2 where |e| < 1, of |e| − 1/2 beyond, e = y − z", ""),
    "ce": ("cross-entropy of softmax(y) and z, each number of z spread over its two nearest bins", ""),
    "infonce": (f"{_SOFTMAX}, L[i,j] = ŷ[i] · ẑ[j] / temperature, {_UNIT}", ""),
    "variance": ("mean over d of max(0, 1 − deviation of z[d] over the batch)", ""),
    "covariance": ("sum over d ≠ e of cov(z)[d,e]² / D, over the batch", ""),
    "barlow": (
        "sum over d of (1 − C[d,d])² + redundancy × sum over d ≠ e of C[d,e]², "
        "C the cross-correlation of y and z over the batch",
        "",
    ),
    "mico": ("mean of (U(y, y′) − |r − r′| − discount × U(z, z′))², U the diffuse distance of MICo", ""),
    "bisim": ("mean of (U(y, y′) − |r − r′| − discount × U(z, z′))², U the L1 distance", ""),
}
"""Alone, and `against batch` where that may be asked for. Primes mark another sample, i and j are samples."""
