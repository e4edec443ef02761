"""A run folder as a model for programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import torch
from torch import Tensor

from vaebench.commands.given import as_batch, by_name, check_bits
from vaebench.commands.saved import Saved, open_run
from vaebench.config.schema import Accelerator
from vaebench.data import Batch, Field, Part, Sentences, Support, as_text
from vaebench.distributions import Distribution, Noise
from vaebench.errors import Refusal
from vaebench.inference import (
    batch_size,
    drawn,
    encode,
    expected,
    generate_at,
    infer,
    simulate,
    stream,
)
from vaebench.measures.base import Subject
from vaebench.measures.likelihood import log_likelihood
from vaebench.models import Model
from vaebench.runs.write import near

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Loaded:
    """A trained model for programs: `load(run)`.

    Data and latents are tensors for models of one observed name and one latent, and dicts by name
    for all others, always of a batch: `[B, *shape]`. Of a model under conditions data are dicts that
    hold them too, and whatever is made of latents takes them as `given={"y": …}`. Values are means
    unless said otherwise; of labels, the most probable; of sentences, rows of tokens as greedy
    decoding finds them, which `text` writes out. All that is drawn depends on `seed` alone.

    Attributes:
        model: the module.
        data: its data set.
        quantity: what its bound is a bound of.
        latents: names of the latents.
        observed: names of what the model generates.
        conditions: names of what it is conditioned on.
    """

    def __init__(self, saved: Saved) -> None:
        composition = saved.composition
        self.folder, self.cfg, self.device = saved.folder, saved.cfg, saved.device
        self.model: Model = composition.model
        self.data, self.objective = composition.data, composition.objective
        self.quantity = composition.report.quantity
        self._saved = saved
        subject = Subject(composition, saved.device)
        self.latents, self.observed = subject.roles
        fields, roles = self.data.spec.fields, composition.report.roles
        self.conditions = composition.report.conditions
        self._fields = {name: f for name, f in fields.items() if roles[name] != "extra"}
        self._codes = self._latent_fields(subject.batch(1))

    def __repr__(self) -> str:
        what = self.quantity if self.objective.has_bound else "reconstruction"
        shapes = [f"{name} {list(f.shape)} {f.support}" for name, f in self._fields.items()]
        codes = [f"{name} {list(f.shape)}" for name, f in self._codes.items()]
        where = f"{near(self._saved.checkpoint)} on {self.device}"
        return f"<{' · '.join([what, *shapes, *(codes or ['no latents']), where])}>"

    # ------------------------------------------------------------------------------------- data
    def examples(self, part: Part = "test", n: int = 0, *, seed: int = 0) -> Any:
        """The first n examples of a split as the model sees them, 0: all. Whatever their protocol
        draws, such as the bits of a training split, is drawn by the seed.

        Raises:
            Refusal: no such split, n < 0.
        """
        if part not in get_args(Part):
            raise Refusal(f"part={part}: there are {', '.join(get_args(Part))}")
        if n < 0:
            raise Refusal(f"n={n}: a number of examples, 0 for all")
        batch = Subject(self._saved.composition, self.device, part, seed).batch(n)
        return self._single({name: batch[name] for name in self._fields})

    def tokens(self, text: str | Sequence[str]) -> Tensor:
        """A sentence, or several, as the rows `[B, l]` that the model reads; what its vocabulary
        lacks is `<unk>`.

        Raises:
            Refusal: the data are no sentences, or one is longer than all of them.
        """
        if not isinstance(self.data, Sentences):
            raise Refusal(
                f"the data are no text but {', '.join(self._fields)}: they have no tokens"
            )
        return self.data.tokens([text] if isinstance(text, str) else text).to(self.device)

    def text(self, tokens: Any) -> list[str]:
        """Rows of tokens `[B, l]` as sentences.

        Raises:
            Refusal: the data are no sentences.
        """
        fields = {n: f for n, f in self._fields.items() if f.support is Support.TOKENS}
        if not fields:
            raise Refusal(
                f"the data are no text but {', '.join(self._fields)}: there are no tokens"
            )
        (rows,) = self._batch(tokens, fields).values()
        (field,) = fields.values()
        return [as_text(row, field.symbols, field.joiner) for row in rows]

    # ------------------------------------------------------------------------------------ codes
    @torch.no_grad()
    def posterior(self, x: Any, *, seed: int = 0) -> Any:
        """q(z | x) of examples `[B, *shape]`: a `Distribution`, by name where there are several; of
        a latent that depends on another's draw, at one draw."""
        self._need_latents("infer")
        evidence = infer(self.model, self._batch(x, self._fields), 1, noise=self._noise(seed))
        found: dict[str, Distribution] = {n: evidence.q[n].dist for n in self.latents}
        return self._single(found)

    def encode(self, x: Any) -> Any:
        """E_q[z | x], `[B, *event]`."""
        self._need_latents("encode")
        return self._single(encode(self.model, self._batch(x, self._fields)))

    def decode(self, z: Any, *, given: Mapping[str, Any] = NOTHING, seed: int = 0) -> Any:
        """E[x | z] of latents `[B, *event]`; those that a dict leaves out are drawn.

        Args:
            given: the conditions, `[B, *shape]` by name.

        Raises:
            Refusal: there are none, or not all conditions.
        """
        self._need_latents("decode")
        latents = as_batch(by_name(z, self._codes, {}), self._codes, self.device)
        if not latents:
            raise Refusal(f"a dict with some of {', '.join(self._codes)} is needed")
        n = len(next(iter(latents.values())))
        conditions = self._conditions(given, n)
        trace = generate_at(self.model, latents, conditions, self._noise(seed))
        return self._single({name: expected(trace, name) for name in self.observed})

    def reconstruct(self, x: Any, *, seed: int = 0) -> Any:
        """E[x | z] at z = E_q[z | x], `[B, *shape]`."""
        batch = self._batch(x, self._fields)
        given = {name: batch[name] for name in self.conditions}
        return self.decode(self.encode(batch), given=given, seed=seed)

    def sample(
        self, n: int, *, given: Mapping[str, Any] = NOTHING, seed: int = 0, mean: bool = True
    ) -> Any:
        """E[x | z] at n draws z ~ p(z), or draws of x itself.

            >>> cvae = load("runs/cvae-digits/2026-11-21_07-01-29-083430")  # doctest: +SKIP
            >>> cvae.sample(3, given={"y": [7, 7, 1]}).shape  # doctest: +SKIP
            torch.Size([3, 1, 8, 8])

        Args:
            given: the conditions, `[n, *shape]` by name.

        Raises:
            ValueError: for n < 1.
            Refusal: the prior was not trained, or not all conditions are given.
        """
        if n < 1:
            raise ValueError(f"n={n}: at least one sample")
        if not self.objective.has_bound:
            raise Refusal("trained on reconstruction alone: the prior means nothing")
        trace = simulate(self.model, n, self._conditions(given, n), self._noise(seed))
        read: Callable[..., Tensor] = expected if mean else drawn
        return self._single({name: read(trace, name) for name in self.observed})

    def _conditions(self, given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
        """All conditions of n examples, on the device."""
        if not self.conditions:
            if given:
                raise Refusal(f"given={', '.join(given)}: the model has no conditions")
            return {}
        fields = {name: self._fields[name] for name in self.conditions}
        if missing := [name for name in fields if name not in given]:
            raise Refusal(
                f"{missing[0]} is missing: given is to be a dict with {', '.join(fields)}"
            )
        found = as_batch(by_name(given, fields, {}), fields, self.device)
        size = batch_size(found)
        if size != n:
            raise Refusal(f"given is of {size} examples, and {n} are asked for")
        return found

    # ---------------------------------------------------------------------------------- numbers
    @torch.no_grad()
    def bound(self, x: Any, *, k: int = 1, seed: int = 0) -> Tensor:
        """E_q[log p(x, z) - log q(z | x)], the evidence lower bound in nats, by k samples of q,
        `[B]`; with KL(q ‖ p) in closed form where there is one.

        Raises:
            Refusal: the model was trained without a bound; k < 1.
        """
        batch = self._scored(x, k)
        total, count = torch.zeros((), device=self.device), 0
        for evidence in stream(self.model, batch, k, self._noise(seed)):
            some = evidence.q.lead[0]
            total, count = total + some * evidence.elbo, count + some
        return total / count

    def log_prob(self, x: Any, *, k: int = 100, seed: int = 0) -> Tensor:
        """L_k, the importance-weighted lower bound on log p(x) in nats, `[B]`; without latents
        log p(x) itself.

        Raises:
            Refusal: the model was trained without a bound; k < 1.
        """
        return log_likelihood(self.model, self._scored(x, k), k, self._noise(seed))

    def _scored(self, x: Any, k: int) -> dict[str, Tensor]:
        if not self.objective.has_bound:
            raise Refusal("trained on reconstruction alone: there is no bound on log p(x)")
        if k < 1:
            raise Refusal(f"k={k}: at least one sample")
        batch = self._batch(x, self._fields)
        check_bits(batch, self._fields)
        return batch

    # ------------------------------------------------------------------------------------------
    def _need_latents(self, verb: str) -> None:
        if not self.latents:
            raise Refusal(
                f"the model has no latents: there is nothing to {verb}, and log p(x) is exact "
                "(log_prob, sample)"
            )

    @torch.no_grad()
    def _latent_fields(self, example: Batch) -> dict[str, Field]:
        evidence = infer(self.model, example, 1, noise=self._noise(0))
        return {name: Field(tuple(evidence.q[name].dist.event_shape)) for name in self.latents}

    def _noise(self, seed: int) -> Noise:
        return Noise(torch.Generator(self.device).manual_seed(seed))

    def _batch(self, values: Any, fields: dict[str, Field]) -> dict[str, Tensor]:
        """All of these fields, on the device."""
        named = by_name(values, fields, self.data.spec.fields)
        missing = [name for name in fields if name not in named]
        if missing:
            raise Refusal(f"{missing[0]} is missing: a dict with {', '.join(fields)} is needed")
        return as_batch(named, fields, self.device)

    def _single(self, values: dict[str, Any]) -> Any:
        return next(iter(values.values())) if len(values) == 1 else values


def load(run: str | Path, *, data_dir: str = "", accelerator: str = "auto") -> Loaded:
    """A run folder becomes a model that encodes, decodes, samples and scores.

        >>> from vaebench import load
        >>> vae = load("runs/vae-digits/2026-11-21_07-01-29-083430")  # doctest: +SKIP
        >>> x = vae.examples("test", 8)  # doctest: +SKIP
        >>> vae.decode(vae.encode(x)).shape  # doctest: +SKIP
        torch.Size([8, 1, 8, 8])

    Args:
        run: the run folder.
        data_dir: where data lie now, if they moved.
        accelerator: `auto`, `cpu`, `gpu` or `mps`.

    Raises:
        Refusal: what is missing, in one line.
    """
    return Loaded(open_run(str(run), data_dir=data_dir, accelerator=Accelerator(accelerator)))
