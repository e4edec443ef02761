"""Whether what is known of one part of an image stays when another part is exchanged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.data import Batch
from vaebench.inference import encode, expected, generate_at
from vaebench.inference.codes import Point
from vaebench.measures.base import (
    Inapplicable,
    Measure,
    Numbers,
    Subject,
    mean_and_se,
    over_batches,
)
from vaebench.measures.pose import apart, hands_of, predicted, reader
from vaebench.models import DVAE, Model

POSE, CONTENT = "pose", "content"
"""Names of the parts that are exchanged."""


def parts_of(subject: Subject) -> DVAE:
    """The model, of an image with latents of pose and content.

    Raises:
        Inapplicable: it has no such latents.
    """
    model = subject.model
    if not isinstance(model, DVAE) or not {POSE, CONTENT} <= {*model.parts}:
        raise Inapplicable("the model has no latents of pose and content, as model=dvae has")
    return model


def exchanged(z: Point, name: str) -> Point:
    """Codes of a batch, of which one latent is the next example's."""
    return z | {name: z[name].roll(-1, 0)}


@dataclass
class Swaps(Measure):
    """What is read of pictures E[x | z], whose codes z = E_q[z | x] are of images, in millimetres of the pose:
    `reconstruction`, the error of the pose that is read of them; `content_swapped`, the same where content
    is another example's, and `content_ratio` of the means; `pose_swapped`, the error from the other
    example's pose where pose is that one's, and `pose_left` the same picture's from the own pose, as far from
    it as `poses_apart` where nothing but pose tells of it. Between what is read of the picture and of the one with an
    exchange are `content_moves` and `pose_moves`; `poses_apart` is how far the two poses are from each other.

    References:
        Disentangling Latent Hands for Image Synthesis and Pose Estimation (Yang, Yao 2019),
        https://arxiv.org/abs/1812.01002, section 4.4, which shows pictures
    """

    examples: int = 0

    def need(self, subject: Subject) -> None:
        parts_of(subject)
        hands_of(subject)

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        model, millimetres = parts_of(subject), hands_of(subject).millimetres
        reads = reader(subject, model.observed, [*model.observed, POSE])

        def error(one: Tensor, other: Tensor) -> Tensor:
            return apart(one, other, millimetres).mean(1)

        def run(batch: Batch) -> Batch:
            z, truth = encode(reads, batch), batch[POSE]
            plain, content, pose = (
                _read_back(reads, model, codes)
                for codes in (z, *(exchanged(z, model.parts[n]) for n in (CONTENT, POSE)))
            )
            other = truth.roll(-1, 0)
            return {
                "reconstruction": error(plain, truth),
                "content_swapped": error(content, truth),
                "pose_swapped": error(pose, other),
                "pose_left": error(pose, truth),
                "content_moves": error(content, plain),
                "pose_moves": error(pose, plain),
                "poses_apart": error(other, truth),
            }

        found = over_batches(subject.batches(self.examples), run)
        ratio = found["content_swapped"].mean() / found["reconstruction"].mean()
        return mean_and_se(**found) | {
            "content_ratio": ratio.item(),
            "examples": len(found["reconstruction"]),
        }


def _read_back(reads: Model, model: DVAE, z: Point) -> Tensor:
    """The pose that is read of E[x | z], `[B, J, 3]`."""
    trace = generate_at(reads, z, {})
    pictures: Batch = {name: expected(trace, name) for name in model.observed}
    return predicted(reads, pictures, [POSE], latents=True)[0]
