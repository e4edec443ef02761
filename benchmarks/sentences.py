"""A training step of the sentence VAE against a hand-written one over the same batches.

    python benchmarks/sentences.py                 writes results/sentences.json
    python benchmarks/sentences.py --steps 2       a smoke test

Both sides take steps on the same 20 batches of 32 made-up sentences of 10 to 34 of 10,000 words,
padded to the longest of each: LSTMs of 200 over embeddings of 200, z of 16, fused Adam. Both give a
logit to each of the 10,000 and none to padding: a product of 9,999 columns takes a tenth longer than
one of 10,000. The hand-written side is plain PyTorch: no traces, no heads, no checks. Lengths vary as
they do in a bucketed epoch. PASS: vaebench's tokens per second are at least the hand-written loop's
by the median of the blocks.
"""

from __future__ import annotations

import argparse
import itertools
import json
from functools import partial
from pathlib import Path

import torch
from alternating import Step, alternate, elbo_step
from torch import Tensor, nn
from torch.nn import functional as F

from vaebench.data import EOS, PAD, Field, Spec, Support
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.heads.sentence import Sentence
from vaebench.models import VAE
from vaebench.nets import Recurrent

WORDS, WIDTH, LATENT, BATCH, BATCHES, LONGEST = 10_001, 200, 16, 32, 20, 35
LIMIT, BLOCKS = 1.0, 9


def made_up() -> list[Tensor]:
    """Batches of tokens `[32, l]`, of about the same length in each."""
    found = []
    for i in range(BATCHES):
        width = 11 + round(24 * i / (BATCHES - 1))
        lengths = torch.randint(width - 2, width, (BATCH, 1))
        lengths[0] = width - 1
        tokens, column = torch.randint(2, WORDS, (BATCH, width)), torch.arange(width)
        found.append(
            torch.where(column < lengths, tokens, torch.where(column == lengths, EOS, PAD))
        )
    return found


def ours(batches: list[Tensor]) -> Step:
    """A step of vaebench's objective."""
    spec = Spec({"x": Field((LONGEST,), Support.TOKENS, WORDS)}, 1000)
    model = VAE(
        spec,
        latent_dim=LATENT,
        nets=Recurrent(cell="lstm", embedding=WIDTH, hidden=WIDTH, init="glorot"),
        posterior=Gaussian,
        prior=Normal,
        likelihood=partial(
            Sentence, cell="lstm", embedding=WIDTH, hidden=WIDTH, condition="both", keep=1.0
        ),
    )
    return elbo_step(model, spec, [{"x": x} for x in batches], "analytic")


class ByHand(nn.Module):
    """The same sentence VAE in plain PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Embedding(WORDS, WIDTH, padding_idx=PAD)
        self.encoder = nn.LSTM(WIDTH, WIDTH, batch_first=True)
        self.q = nn.Linear(WIDTH, 2 * LATENT)
        self.context = nn.Linear(LATENT, 3 * WIDTH)
        self.write = nn.Embedding(WORDS + 1, WIDTH, padding_idx=PAD)
        self.decoder = nn.LSTM(2 * WIDTH, WIDTH, batch_first=True)
        self.out = nn.Linear(WIDTH, WORDS - 1)  # PAD, the first, is never next

    def forward(self, x: Tensor) -> Tensor:
        """-ELBO."""
        states, _ = self.encoder(self.read(x))
        last = (x != PAD).sum(1) - 1
        mu, log_sd = self.q(states[torch.arange(len(x)), last]).chunk(2, -1)
        sd = log_sd.exp()
        z = mu + sd * torch.randn_like(mu)
        h, c, beside = self.context(z).chunk(3, -1)
        begun = torch.full_like(x[:, :1], WORDS)
        given = self.write(torch.cat([begun, x[:, :-1]], 1))
        given = torch.cat([given, beside[:, None].expand(-1, x.shape[1], -1)], -1)
        out, _ = self.decoder(given, (h[None].contiguous(), c[None].contiguous()))
        logits = self.out(out)
        wanted = x.flatten() - 1
        cost = F.cross_entropy(logits.flatten(0, 1), wanted, ignore_index=PAD - 1, reduction="sum")
        kl = 0.5 * (mu * mu + sd * sd - 1 - 2 * log_sd).sum()
        return (cost + kl) / len(x)


def theirs(batches: list[Tensor]) -> Step:
    """A hand-written step."""
    model = ByHand()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    order = itertools.cycle(batches)

    def step() -> None:
        optimizer.zero_grad()
        model(next(order)).backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints a line and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=BATCHES, help="in a block")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    batches = made_up()
    tokens = sum(int((x != PAD).sum()) for x in batches) / len(batches)
    pair = {"sentence_vae": (ours(batches), theirs(batches))}
    timing = alternate(pair, steps=options.steps, blocks=BLOCKS)["sentence_vae"]
    share, rate = 1 / timing.ratio, tokens / timing.seconds
    verdict = "PASS" if timing.within(LIMIT) else "FAIL"
    print(
        f"{rate:,.0f} tokens/s, a step takes {timing.told()} of the hand-written one's ({verdict})"
    )
    path = Path(__file__).parent / "results" / "sentences.json"
    about = {"threads": options.threads, "steps": options.steps, "blocks": BLOCKS}
    about["torch"] = torch.__version__
    found = {
        "tokens_per_second": rate,
        "of_hand_written": share,
        "quartiles": (1 / timing.high, 1 / timing.low),
    }
    path.write_text(json.dumps({"about": about, "sentences": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
