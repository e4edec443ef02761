"""The config groups: the one table that whoever lists, shows or tags them reads.

It stands below the run folders, which are compared group by group, and imports nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConfigGroup:
    """A folder of `conf/`.

    Attributes:
        name: of the folder.
        plain: the choice to offer in place of one that does not go with the others.
        composed: whether it decides what is trained, rather than how: a tag in loggers, and an axis
            of the matrix of tests.
        owner: the group whose choices have a use for one of this or not, by an option of its name.
        idle: the choice that asks for nothing, if any.
        leads: whether it comes first in what tells runs apart.
        told: whether a run tells what was chosen before it trains.
        untold: a choice that even then goes without saying.
    """

    name: str
    plain: str = ""
    composed: bool = False
    owner: str = ""
    idle: str = ""
    leads: bool = False
    told: bool = True
    untold: str = ""


GROUPS = (
    ConfigGroup("model", composed=True, leads=True),
    ConfigGroup("nets", "mlp", composed=True, owner="model", idle="none"),
    ConfigGroup("posterior", "gaussian", composed=True, owner="model", idle="none", leads=True),
    ConfigGroup("refine", "none", composed=True, owner="model", idle="none", leads=True),
    ConfigGroup("weights", composed=True),
    ConfigGroup("weight_prior", owner="weights", idle="fitted", untold="fitted"),
    ConfigGroup("prior", "normal", composed=True, owner="model", idle="none", leads=True),
    ConfigGroup("likelihood", "gaussian", composed=True, owner="model", leads=True),
    ConfigGroup("objective", "elbo", composed=True, leads=True),
    ConfigGroup("estimator", "auto", composed=True, owner="objective", idle="auto", leads=True),
    ConfigGroup("dataset", composed=True, leads=True),
    ConfigGroup("optimizer"),
    ConfigGroup("schedule"),
    ConfigGroup("anneal", owner="objective", idle="none"),
    ConfigGroup("baseline", owner="estimator", idle="none", untold="none"),
    ConfigGroup("callbacks", untold="none"),
    ConfigGroup("trainer", told=False),
    ConfigGroup("logger", told=False),
    ConfigGroup("experiment", told=False),
)
"""In the order in which they are told."""

COMPOSED = tuple(group.name for group in GROUPS if group.composed)
OWNERS = {group.name: group.owner for group in GROUPS if group.owner}
PLAINEST = {group.name: group.plain for group in GROUPS if group.plain}
LEADING = tuple(group.name for group in GROUPS if group.leads)


def told(choices: dict[str, str]) -> dict[str, str]:
    """Those of a run's choices that it tells, in order."""
    shown = {group.name: group.untold for group in GROUPS if group.told}
    # A run of an older version knows less groups than there are.
    return {n: choices[n] for n, untold in shown.items() if choices.get(n, untold) != untold}


def leading(choices: dict[str, str]) -> list[str]:
    """`model=vae` and what else tells runs apart first, but for what asks for nothing."""
    groups = [group for group in GROUPS if group.leads]
    return [f"{g.name}={choices[g.name]}" for g in groups if choices.get(g.name, g.idle) != g.idle]
