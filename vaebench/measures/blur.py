"""How blurred images are beside those that they are to be like."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vaebench.inference import batch_size, conditions, encode, expected, generate_at, simulate
from vaebench.measures.base import Inapplicable, Measure, Numbers, Subject, mean_and_se


def edges(images: Tensor) -> Tensor:
    """The variance over pixels of the Laplacian of each image `[n, C, H, W]`, `[n]`: the sharper its
    edges, the larger.

    References:
        Diatom autofocusing in brightfield microscopy (Pech-Pacheco, Cristóbal, Chamorro-Martínez,
        Fernández-Valdivia 2000)
    """
    kernel = images.new_tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
    each = images.flatten(0, 1).unsqueeze(1)
    return F.conv2d(each, kernel.view(1, 1, 3, 3)).unflatten(0, images.shape[:2]).flatten(1).var(1)


@dataclass
class Blur(Measure):
    """The mean variance of an image's Laplacian: of `data`, of `samples` E[x | z] with z ~ p(z), and of
    `reconstructions` E[x | z] at z = E[z | x]; `blur` is one less the samples' over the data's, 0 where
    they are as sharp. Of bits that were drawn of grey values the data are these.
    """

    examples: int = 1000

    def need(self, subject: Subject) -> None:
        self._name(subject)

    def _name(self, subject: Subject) -> str:
        """The image that is observed."""
        subject.need_bound()
        _ = subject.latents
        fields = subject.composition.data.spec.fields
        shapes = {n: fields[n].shape for n in subject.roles[1] if n in fields}
        for name, shape in shapes.items():
            if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= 3:
                return name
        name = subject.roles[1][0]
        raise Inapplicable(f"{name} of shape {list(shapes.get(name, ()))} is no image")

    @torch.no_grad()
    def numbers(self, subject: Subject) -> Numbers:
        name, model, noise = self._name(subject), subject.model, subject.noise(14)
        rows: dict[str, list[Tensor]] = {"data": [], "samples": [], "reconstructions": []}
        count = 0
        for batch in subject.batches(self.examples):
            n, given = batch_size(batch), conditions(model, batch)
            made = {
                "samples": simulate(model, n, given, noise),
                "reconstructions": generate_at(model, encode(model, batch), given, noise),
            }
            for key, trace in made.items():
                rows[key].append(edges(expected(trace, name).reshape(batch[name].shape)).cpu())
            rows["data"].append(edges(batch[name]).cpu())
            count += n
        originals = subject.composition.data.originals(subject.part, count)
        if name in originals:
            rows["data"] = [edges(originals[name])]
        each = {key: torch.cat(parts) for key, parts in rows.items()}
        blur = 1 - (each["samples"].mean() / each["data"].mean()).item()
        return {"blur": blur} | mean_and_se(**each) | {"examples": count}
