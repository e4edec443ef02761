"""Hands: bones of constant length, within limits, seen as their keypoints say."""

import math

import pytest
import torch

from vaebench.data import Hands, Split, Support
from vaebench.data.synthetic.skeleton import FINGERS, JOINTS, PARENTS, angles, joints
from vaebench.errors import DataError

NAMES = {
    "x": (3, 16, 16),
    "depth": (1, 16, 16),
    "keypoints": (21, 2),
    "joints": (21, 3),
    "pose": (21, 3),
    "view": (6,),
    "content": (10,),
}


def hands(**options) -> Hands:
    options = {
        "size": 16,
        "examples": 60,
        "data_seed": 0,
        "split": Split("random", 10, 10),
    } | options
    return Hands(**options)


def bones(places: torch.Tensor) -> torch.Tensor:
    return (places[:, 1:] - places[:, list(PARENTS)]).norm(dim=-1)


def test_bones_have_their_lengths_in_every_pose():
    lengths = bones(joints(angles(torch.rand(50, 21))))
    assert torch.allclose(lengths, lengths[:1].expand_as(lengths), rtol=1e-4)
    told = torch.tensor([finger.bones for finger in FINGERS.values()], dtype=torch.float32)
    assert torch.allclose(lengths[0].view(5, 4)[:, 1:], told, rtol=1e-4)


def test_angles_reach_their_limits_and_no_further():
    limits = torch.tensor([f.limits for f in FINGERS.values()]) * math.pi / 180
    assert torch.allclose(angles(torch.zeros(1, 21))[0], limits[..., 0], atol=1e-6)
    assert torch.allclose(angles(torch.ones(1, 21))[0], limits[..., 1], atol=1e-6)
    drawn = angles(torch.rand(200, 21))
    assert (drawn >= limits[..., 0] - 1e-6).all()
    assert (drawn <= limits[..., 1] + 1e-6).all()


def test_a_straight_finger_is_a_line_of_its_bones():
    _, index, *_ = FINGERS.values()
    straight = joints(torch.zeros(1, 5, 4))[0, 5:9]
    reach = torch.tensor([0.0, 1.0, 0.0]) * sum(index.bones)
    assert torch.allclose(straight[-1] - straight[0], reach, atol=1e-4)


def test_a_row_has_all_names_and_the_same_row_the_same_values():
    data = hands()
    batch = data.split("train").batch(torch.arange(5))
    assert {name: tuple(value.shape[1:]) for name, value in batch.items()} == NAMES
    assert {name: field.shape for name, field in data.spec.fields.items()} == NAMES
    assert data.spec["x"].support is data.spec["depth"].support is Support.UNIT
    again = hands().split("train").batch(torch.tensor([3]))
    for name, value in batch.items():
        assert torch.allclose(value[3:4], again[name], atol=1e-6), name
    other = hands(data_seed=1).split("train").batch(torch.arange(5))
    assert not torch.allclose(batch["joints"], other["joints"])


def test_joints_are_the_pose_turned_into_the_camera_s_frame():
    batch = hands().split("train").batch(torch.arange(40))
    pose, seen = batch["pose"], batch["joints"]
    assert torch.allclose(bones(pose), bones(seen), atol=1e-5)
    sine, cosine = batch["view"].unflatten(1, (2, 3)).unbind(1)
    assert torch.allclose(sine.square() + cosine.square(), torch.ones_like(sine), atol=1e-6)
    distance = (pose[:, :, None] - pose[:, None]).norm(dim=-1)
    assert torch.allclose(distance, (seen[:, :, None] - seen[:, None]).norm(dim=-1), atol=1e-4)
    flat = (batch["keypoints"][:, :, None] - batch["keypoints"][:, None]).norm(dim=-1)
    across = (seen[:, :, None, :2] - seen[:, None, :, :2]).norm(dim=-1)
    ratio = flat.sum() / across.sum()
    assert torch.allclose(flat, across * ratio, atol=1e-4)


def test_the_hand_is_drawn_where_its_keypoints_are():
    data = hands(size=32)
    batch = data.split("train").batch(torch.arange(40))
    x, y = batch["keypoints"].unbind(-1)
    column = ((x + 1) / 2 * 32).long().clamp(0, 31)
    row = ((1 - y) / 2 * 32).long().clamp(0, 31)
    shown = batch["depth"].flatten(1).gather(1, row * 32 + column) > 0
    assert shown.float().mean() > 0.97  # a tip may end between two pixels


def test_nearer_joints_are_nearer_in_depth():
    batch = hands(size=32, examples=200).split("train").batch(torch.arange(150))
    towards = batch["joints"][..., 2].amax(1) - batch["joints"][..., 2].mean(1)
    depth = batch["depth"].flatten(1)
    above = depth.amax(1) - depth.sum(1) / (depth > 0).sum(1)
    assert torch.corrcoef(torch.stack([towards, above]))[0, 1] > 0.5


def test_content_changes_colours_alone():
    data = hands()
    rows = data.rows[:6].clone()
    rows[:, -10:] = torch.rand(6, 10)
    one, other = data.made(data.rows[:6], None), data.made(rows, None)
    assert (one["x"] - other["x"]).abs().amax() > 0.1
    for name in ("depth", "keypoints", "joints", "pose", "view"):
        assert torch.equal(one[name], other[name])
    assert one["x"].amin() >= 0
    assert one["x"].amax() <= 1


def test_skin_is_of_one_hue_from_light_to_dark_and_to_red_however_it_is_lit():
    shades = {(0.0, 0.0): (0.93, 0.80, 0.68), (1.0, 0.0): (0.36, 0.22, 0.15)}
    shades[0.0, 1.0] = (0.99, 0.76, 0.64)
    data = hands()
    rows = data.rows[: len(shades)].clone()
    rows[:, -10:-8] = torch.tensor([*shades])
    batch = data.made(rows, None)
    for image, depth, skin in zip(batch["x"], batch["depth"], shades.values(), strict=True):
        seen, told = image[:, depth[0] > 0], torch.tensor(skin).unsqueeze(1)
        assert torch.allclose(seen / seen[:1], (told / told[0]).expand_as(seen), rtol=1e-3)


@pytest.mark.parametrize("options", [{"size": 4}, {"examples": 0}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(DataError, match="Use dataset"):
        hands(**options)


def test_there_are_joints_of_five_fingers_and_a_wrist():
    assert len(PARENTS) + 1 == JOINTS == 21
