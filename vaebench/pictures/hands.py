"""Hands: skeletons over images, ways decoded to several images, parts exchanged."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vaebench.data import keypoints, turned
from vaebench.inference import encode, expected, generate_at
from vaebench.inference.codes import Point
from vaebench.measures.base import Inapplicable
from vaebench.measures.pose import hands_of, joints_of, predicted, reader
from vaebench.measures.swaps import CONTENT, POSE, parts_of
from vaebench.pictures.journeys import along, linear
from vaebench.pictures.paper import new_figure, save, save_animation, save_sheet
from vaebench.pictures.view import View

HANDS = 8
STEPS, FRAMES = 9, 24
WAYS = 3
PARTS = 5
COLOURS = ("#e6194b", "#f58231", "#3cb44b", "#4363d8", "#911eb4")
"""Of the fingers, from the thumb on."""


def skeletons(view: View) -> list[Path]:
    """Images with the joints as they are, and below as they are read of the image alone."""
    subject = view.subject
    name = joints_of(subject)
    images = view.batch["x"][:HANDS]
    batch = {key: value[:HANDS] for key, value in view.batch.items()}
    names = [name, "view"] if name == POSE and "view" in subject.roles[1] else [name]
    latents = bool(subject.roles[0])
    made = predicted(reader(subject, ["x"], names), batch, names, latents=latents)
    if name == POSE:
        made = [turned(made[0], made[1] if len(made) > 1 else batch["view"])]
    places = keypoints(made[0], batch["keypoints"][:, 0])
    rows = {"data": batch["keypoints"], "read": places}
    parents = hands_of(subject).parents
    figure = new_figure(1.3 * len(images), 2.9)
    grid = figure.subplots(len(rows), len(images), squeeze=False)
    for axes, (title, joints) in zip(grid, rows.items(), strict=True):
        axes[0].set_ylabel(title)
        for one, image, at in zip(axes, images.cpu(), joints.cpu(), strict=False):
            one.imshow(image.permute(1, 2, 0).numpy(), extent=(-1, 1, -1, 1), alpha=0.6)
            for bone, parent in enumerate(parents):
                line = at[[parent, bone + 1]].numpy()
                one.plot(line[:, 0], line[:, 1], color=COLOURS[bone // 4], linewidth=1.4)
            one.set(xticks=[], yticks=[], xlim=(-1, 1), ylim=(-1, 1))
    return [save(figure, view.folder / "skeletons.png")]


def walks(view: View) -> list[Path]:
    """One way between the codes of two examples, decoded to every image that the model makes, one below
    the other."""
    _ = view.subject.latents
    shapes = {name: view.batch[name].shape[1:] for name in view.observed}
    names = [n for n, shape in shapes.items() if len(shape) == 3 and shape[0] in (1, 3)]
    if len(names) < 2 or len({shapes[n][1:] for n in names}) > 1:
        raise Inapplicable("the model does not make several images of one height and width")
    if len(view) < 2:
        raise Inapplicable("one example has nowhere to go: at least two are needed")
    ways = min(WAYS, len(view) // 2)
    a, b = ({n: z[i : 2 * ways : 2] for n, z in view.codes.items()} for i in range(2))

    def decoded(steps: int) -> Tensor:
        """`[ways, names, steps, 3, H, W]`."""
        t = torch.linspace(0, 1, steps, device=view.subject.device)
        rows = torch.arange(0, 2 * ways, 2, device=t.device).repeat_interleave(steps)
        given = {name: value[rows] for name, value in view.given.items()}
        trace = generate_at(view.subject.model, along(linear, a, b, t), given, view.noise)
        images = [expected(trace, n).clamp(0, 1) for n in names]
        colour = [i.expand(-1, 3, -1, -1).unflatten(0, (ways, steps)) for i in images]
        return torch.stack(colour, 1)

    columns = [f"{x:.2f}" for x in torch.linspace(0, 1, STEPS).tolist()]
    title = "one way from an example's code to another's"
    path = view.folder / "walks.png"
    sheet = save_sheet(path, decoded(STEPS).flatten(0, 2), names * ways, columns, title)
    frames = decoded(FRAMES).flatten(0, 1).unbind(1)
    return [sheet, save_animation(view.folder / "walks.gif", frames, len(names))]


def swaps(view: View) -> list[Path]:
    """Images whose pose and view are read of the image at the left of their row, and whose content of the
    one above; and the same with content of the row and pose of the column."""
    model, hands = parts_of(view.subject), min(PARTS, len(view))
    _ = hands_of(view.subject)
    reads = reader(view.subject, model.observed, model.observed)
    batch = {name: value[:hands] for name, value in view.batch.items()}
    z = encode(reads, batch)
    paths = []
    for part in (CONTENT, POSE):
        codes: Point = {n: code.repeat_interleave(hands, 0) for n, code in z.items()}
        latent = model.parts[part]
        codes[latent] = z[latent].repeat(hands, *(1,) * (z[latent].ndim - 1))
        made = expected(generate_at(reads, codes, {}), view.name).clamp(0, 1)
        images = batch[view.name]
        blank = torch.ones_like(images[:1])
        rows = [
            torch.cat([images[i : i + 1], made[i * hands : (i + 1) * hands]]) for i in range(hands)
        ]
        sheet = torch.cat([blank, images, *rows])
        names = ["", *("" for _ in range(hands))]
        title = f"{part} of the column, all else of the row"
        path = view.folder / f"swaps_{part}.png"
        paths.append(save_sheet(path, sheet, names, names, title))
    return paths
