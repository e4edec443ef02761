"""-L_5000 of a 784-200-200-z50 VAE: vaebench's `importance` against the loops that one writes first.

    python benchmarks/likelihood.py --data-dir DIR [--threads 1]
    python benchmarks/likelihood.py --data-dir DIR --k 200 --repeats 1   a smoke test

All in plain PyTorch (`hand_loop.log_weights`):

- `loop`: takes 20 images at a time, encodes them and decodes all their 5000 · 20 samples at once.
- `peer`: takes one image at a time and, for each chunk of 100 samples, repeats it 100 times, encodes
  all of them, draws one z of each and decodes: it is encoded once per sample. As libraries do whose
  decoders end in a sigmoid, it takes the cross-entropy of probabilities; log p(z) and log q(z | x)
  are those of z. The log weights of all chunks are kept, and one logsumexp goes over them.
- `single`: the same with chunks of one sample: one image is encoded and one z decoded at a time.

vaebench takes all 40 images as one batch, as `vaebench evaluate` does, and decodes in chunks that fit
a cache. All have the same weights, which are not trained: time and memory do not depend on them.
First, on the same noise, the loop and vaebench must say the same; and the peer, on noise of its own,
the same mean within five of its standard errors.

Time: all in one process, interleaved, the order turns; the median over repeats of their ratio, since
a machine's speed drifts. What the loop loses, it loses to buffers of 300 MB that no cache holds and
that come fresh from the system each time; the peer to encoding; both to the log1p of torch's
cross-entropy. Memory: what the estimate adds to the peak of a fresh process, at K / 10 and at K.
PASS: vaebench takes at most 0.6 of the loop's time, a third of the peer's and of the single one's (which
is timed on two images), and from K / 10 to K its peak grows by at most 16 MiB, since fresh
processes differ by that much. The exit code is 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hand_loop
import torch
from mnist_loop import copy_state, processor, verdict
from torch import Tensor
from torch.nn import functional as F

from vaebench.data import Field, Spec, Support
from vaebench.distributions import Noise
from vaebench.heads.likelihoods import Bernoulli
from vaebench.heads.posteriors import Gaussian
from vaebench.heads.priors import Normal
from vaebench.measures.likelihood import log_likelihood
from vaebench.models import VAE
from vaebench.nets import MLP
from vaebench.training.machine import keep_memory

MAX_RATIO, MAX_GROWTH_MB = {"loop": 0.6, "peer": 1 / 3, "single": 1 / 3}, 16
IMAGES, AT_ONCE, PEER_ROWS = 40, 20, 100
SIDES, FEW, REMEMBERED = ("loop", "peer", "single", "vaebench"), 2, ("loop", "vaebench")
Estimate = Callable[[Tensor, int, torch.Generator], Tensor]


# -------------------------------------------------------------------- both sides
@torch.no_grad()
def loop(
    model: hand_loop.VAE, x: Tensor, k: int, generator: torch.Generator, at_once: int = AT_ONCE
) -> Tensor:
    """L_k of images `[N, 784]`, all samples of some images decoded at once."""
    found = []
    for some in x.split(at_once):
        log_w = hand_loop.log_weights(model, some, model.encode(some), k, generator)
        found.append(log_w.logsumexp(0) - math.log(k))
    return torch.cat(found)


@torch.no_grad()
def peer(
    model: hand_loop.VAE, x: Tensor, k: int, generator: torch.Generator, rows: int = PEER_ROWS
) -> Tensor:
    """L_k of images `[N, 784]`, one after the other, each encoded as often as it is decoded."""
    found = []
    for image in x:
        log_w = []
        for start in range(0, k, rows):
            copies = image.expand(min(rows, k - start), -1)
            mu, log_sigma = model.encode(copies)
            sigma = log_sigma.exp()
            z = mu + sigma * torch.randn(mu.shape, generator=generator)
            log_q = -0.5 * ((z - mu) / sigma).square().sum(-1) - log_sigma.sum(-1)
            log_p = -0.5 * z.square().sum(-1)  # the constants cancel
            p = model.decoder(z).sigmoid()
            recon = -F.binary_cross_entropy(p, copies, reduction="none").sum(-1)
            log_w.append(recon + log_p - log_q)
        found.append(torch.cat(log_w).logsumexp(0) - math.log(k))
    return torch.stack(found)


def ours(model: VAE, x: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """L_k of images `[N, 784]`, as the product computes it."""
    return log_likelihood(model, {"x": x.view(-1, 1, 28, 28)}, k, Noise(generator))


def models() -> tuple[hand_loop.VAE, VAE]:
    """The same initial weights on both sides."""
    torch.manual_seed(0)
    nets = MLP(hidden=[hand_loop.HIDDEN] * 2, activation="tanh", init="glorot", output_bias="zero")
    spec = Spec({"x": Field((1, 28, 28), Support.BINARY, 2)}, size=60_000)
    heads = {"posterior": Gaussian, "prior": Normal, "likelihood": Bernoulli}
    product = VAE(spec, latent_dim=hand_loop.LATENT, nets=nets, **heads).eval()
    plain = hand_loop.VAE(torch.full((hand_loop.PIXELS,), 0.5))
    copy_state(product.state_dict(), plain)
    return plain, product


def sides() -> dict[str, Estimate]:
    """The estimates by name."""
    plain, product = models()
    return {
        "loop": partial(loop, plain),
        "peer": partial(peer, plain),
        "single": partial(peer, plain, rows=1),
        "vaebench": partial(ours, product),
    }


def test_bits(data_dir: str, n: int) -> Tensor:
    """The first test images `[n, 784]`, binarized."""
    import torchvision

    root = str(Path(data_dir).expanduser())
    grey = torchvision.datasets.MNIST(root, train=False, download=True).data[:n]
    generator = torch.Generator().manual_seed(0)
    return torch.bernoulli(grey.flatten(1).float() / 255, generator=generator)


def check_same(bits: Tensor) -> float:
    """The largest difference between loop and product on the same noise, in nats; exits where they
    disagree, or the peer with them.

    All images at once: a CPU generator then gives the same numbers however k is chunked.
    """
    plain, product = models()
    first = loop(plain, bits, 100, torch.Generator().manual_seed(1), at_once=len(bits))
    second = ours(product, bits, 100, torch.Generator().manual_seed(1))
    apart = (first - second).abs().max().item()
    if apart > 1e-2:
        raise SystemExit(f"the two differ by {apart:.3g} nats on the same noise")
    many = torch.stack(
        [peer(plain, bits, 100, torch.Generator().manual_seed(seed)) for seed in range(20)]
    )
    z = (first - many.mean(0)).mean() / many.std(0).square().sum().sqrt() * len(bits)
    if abs(z) > 5:
        raise SystemExit(f"the peer's mean is {z:.1f} standard errors away")
    return apart


# -------------------------------------------------------------------------- time
def seconds(estimate: Estimate, bits: Tensor, k: int) -> float:
    """Of one estimate, an image."""
    begun = time.perf_counter()
    estimate(bits, k, torch.Generator().manual_seed(2))
    return (time.perf_counter() - begun) / len(bits)


def timed(bits: Tensor, k: int, repeats: int) -> dict[str, list[float]]:
    """Seconds an image of each repeat, after one that does not count."""
    each = sides()
    for estimate in each.values():
        seconds(estimate, bits[:FEW], max(1, k // 10))
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for i in range(repeats):
        for side in SIDES if i % 2 == 0 else SIDES[::-1]:
            some = bits[:FEW] if side == "single" else bits
            found[side].append(seconds(each[side], some, k))
    return found


# ------------------------------------------------------------------------ memory
def peak_of(args: argparse.Namespace, side: str, k: int) -> dict[str, float]:
    """MiB at the peak of a process of an estimate's own, and how much of it the estimate added."""
    command = [sys.executable, __file__, "--peak", side, "--k", str(k)]
    command += ["--data-dir", args.data_dir, "--threads", str(args.threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def least_peak(args: argparse.Namespace, side: str, k: int) -> dict[str, float]:
    """That of three processes which adds least: by how much the others differ is chance."""
    return min((peak_of(args, side, k) for _ in range(3)), key=lambda peak: peak["added"])


def print_peak(args: argparse.Namespace) -> None:
    """What the process of `peak_of` does."""
    keep_memory()  # as `vaebench evaluate` does: glibc's own limits move with what is freed
    bits, estimate = test_bits(args.data_dir, IMAGES), sides()[args.peak]
    before = resident_peak()
    estimate(bits, args.k, torch.Generator().manual_seed(2))
    peak = resident_peak()
    print(json.dumps({"peak": peak, "added": peak - before}))


def resident_peak() -> float:
    """MiB of this process so far."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


# --------------------------------------------------------------------- benchmark
def benchmark(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is measured."""
    ks = (max(1, args.k // 10), args.k)
    # First: on Linux a process's peak begins at that of the one that started it.
    memory = {side: {str(k): least_peak(args, side, k) for k in ks} for side in REMEMBERED}
    bits = test_bits(args.data_dir, IMAGES)
    apart = check_same(bits)
    times = timed(bits, args.k, args.repeats)
    medians = {side: statistics.median(found) for side, found in times.items()}
    growth = {
        side: of[str(ks[1])]["added"] - of[str(ks[0])]["added"] for side, of in memory.items()
    }
    ratios = {
        side: [ours / theirs for ours, theirs in zip(times["vaebench"], times[side], strict=True)]
        for side in MAX_RATIO
    }
    median_ratios = {side: statistics.median(each) for side, each in ratios.items()}
    return {
        "about": about(args),
        "seconds_an_image": times,
        "median_seconds_an_image": medians,
        "ratios": ratios,
        "median_ratios": median_ratios,
        "memory_mb": memory,
        "growth_mb": growth,
        "largest_difference_on_the_same_noise": apart,
        "time_pass": {side: r <= MAX_RATIO[side] for side, r in median_ratios.items()},
        "memory_pass": growth["vaebench"] <= MAX_GROWTH_MB,
    }


def about(args: argparse.Namespace) -> dict[str, Any]:
    """What was run on which machine."""
    return {
        "k": args.k,
        "images": IMAGES,
        "loop_images_at_once": AT_ONCE,
        "peer_rows_at_once": PEER_ROWS,
        "weights": "not trained",
        "device": "cpu",
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def report(found: dict[str, Any]) -> int:
    """The table and the verdicts; 1 where one fails."""
    about, memory = found["about"], found["memory_mb"]
    print(f"-L_{about['k']} of {about['images']} MNIST images, {about['threads']} threads")
    for side in SIDES:
        each = ", ".join(f"{1e3 * t:.1f}" for t in found["seconds_an_image"][side])
        median = 1e3 * found["median_seconds_an_image"][side]
        print(f"  {side:<9}{median:7.1f} ms an image ({each})")
    for side, of in memory.items():
        peaks = ", ".join(f"{mb['added']:.0f} MiB at K={k}" for k, mb in of.items())
        print(f"  {side:<9}{peaks}")
    growth = found["growth_mb"]["vaebench"]
    for side, ratio in found["median_ratios"].items():
        each = ", ".join(f"{r:.2f}" for r in found["ratios"][side])
        print(
            f"  {verdict(found['time_pass'][side])}  {ratio:.2f} of the {side}'s time ({each}), "
            f"at most {MAX_RATIO[side]:.2f}"
        )
    passed = verdict(found["memory_pass"])
    print(f"  {passed}  memory grows by {growth:.0f} MiB, at most {MAX_GROWTH_MB}")
    return 0 if all(found["time_pass"].values()) and found["memory_pass"] else 1


def parse() -> argparse.Namespace:
    """The options."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    folder = os.environ.get("VAEBENCH_DATA_DIR", "~/.cache/vaebench")
    out = Path(__file__).parent / "results" / "likelihood.json"
    parser.add_argument("--data-dir", default=folder, help="holds MNIST/raw (VAEBENCH_DATA_DIR)")
    parser.add_argument("--k", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: torch's choice")
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--peak", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """The exit code is 1 where a figure is missed."""
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.peak:
        print_peak(args)
        return 0
    found = benchmark(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return report(found)


if __name__ == "__main__":
    raise SystemExit(main())
