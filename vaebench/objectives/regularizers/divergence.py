"""KL(q ‖ p) of evidence, in closed form or from its samples."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vaebench.errors import Incompatible
from vaebench.inference import Outline
from vaebench.trace import Evidence

KLEstimate = Literal["auto", "analytic", "mc"]


class Divergence:
    """KL(q(z | x) ‖ p(z)) or its estimate.

    Args:
        kl: `analytic`: the closed form; `mc`: from the same k samples; `auto`: the closed form
            where q and p have one, else `mc`, which `notes` then says.

    Raises:
        Incompatible: `analytic` where there is no closed form.
    """

    def __init__(self, kl: KLEstimate, outline: Outline) -> None:
        self.notes: list[str] = []
        obstacle = None if kl == "mc" else outline.kl_obstacle
        if obstacle and kl == "analytic":
            raise Incompatible(
                f"objective.kl=analytic with this posterior and this prior: {obstacle}.",
                options=("objective.kl=mc",),
            )
        if obstacle:
            self.notes.append(f"objective.kl is estimated from the k samples: {obstacle}")
        self.analytic = kl != "mc" and obstacle is None

    def __call__(self, evidence: Evidence) -> Tensor:
        """Over all latents, `[k, B]`."""
        return evidence.kl() if self.analytic else evidence.recon - evidence.log_w

    def at(self, evidence: Evidence, name: str) -> Tensor:
        """At one latent site, `[k, B]`."""
        if self.analytic:
            return evidence.kl_at(name)
        return evidence.q[name].log_prob - evidence.p[name].log_prob

    def charges(self, evidence: Evidence) -> dict[str, Tensor]:
        """Its addends by name: at each latent site, and of q's auxiliary variables."""
        charges = {f"kl {name}": self.at(evidence, name) for name in evidence.latents}
        if evidence.correction is not None:
            charges["correction"] = evidence.correction
        return charges
