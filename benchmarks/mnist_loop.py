"""vaebench against a hand-written PyTorch loop on MNIST: the same likelihood, nearly the same speed.

    python benchmarks/mnist_loop.py --data-dir DIR               the benchmark: 2 models x 3 seeds
    python benchmarks/mnist_loop.py --data-dir DIR --self-check  that both sides compute the same
    python benchmarks/mnist_loop.py --data-dir DIR --max-steps 30 --eval-k 20 --threads 1   a smoke test

Both sides train a VAE (k=1, closed-form KL) and an IWAE (k=5) on the first 55,000 images, binarized
dynamically: 784-200-200-z50 tanh nets, Glorot weights, data-mean output bias, Adam 1e-3 with eps
1e-4, batches of 100. Runs are interleaved, and the side that goes first alternates with the seed.

The loop is `hand_loop.py`: no validation, no bar, no logging, no checkpoints, and it runs in this
process. vaebench runs as the command that a user types, in a process of its own (so that nothing it
sets there, such as the allocator's thresholds, reaches the loop): progress bar drawn as on a
terminal, metrics.csv and wandb (offline) written, 5,000 validation images after each epoch,
checkpoints kept. Its steps per second are steps / `seconds` of summary.json, all of which that
includes.

The yardstick is -L_1000 on the same 1,000 binarized test images: the loop's by its own evaluator,
vaebench's as vaebench reports it (`test/nll`), and besides (`nll_plain`) by the loop's evaluator on
the weights of vaebench's last checkpoint. PASS: |mean difference| <= 0.3 nats; `speed.py`
judges the speed, which is told beside. The exit code is 1 where anything fails.
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
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hand_loop
import torch
from torch import Tensor

if TYPE_CHECKING:
    from vaebench.composition import Composition

MAX_NATS = 0.3
TRAINING_IMAGES, VALIDATION_IMAGES = 55_000, 5_000
PLAIN_EVAL_SEED = 1
SIDES = ("loop", "vaebench")
MODELS = {"vae": 1, "iwae": hand_loop.IWAE_K}
OVERRIDES = [
    "dataset=mnist",
    "dataset.binarize=dynamic",
    f"dataset.split.val={VALIDATION_IMAGES}",
    f"model.latent_dim={hand_loop.LATENT}",
    f"nets.hidden=[{hand_loop.HIDDEN},{hand_loop.HIDDEN}]",
    "nets.activation=tanh",
    "nets.init=glorot",
    "nets.output_bias=data_mean",
    f"optimizer.lr={hand_loop.LR}",
    f"optimizer.eps={hand_loop.EPS}",
    f"trainer.batch_size={hand_loop.BATCH}",
    "logger=wandb",
    "eval.checkpoint=last",
]


@dataclass(frozen=True)
class Run:
    """One trained model and what it scored; nll in nats, `nll_se` over the test images."""

    model: str
    side: str
    seed: int
    nll: float
    nll_se: float
    steps_per_second: float
    nll_plain: float


# ------------------------------------------------------------------------- data
def test_bits(args: argparse.Namespace) -> Tensor:
    """The test images' bits `[n, 784]`, which vaebench draws once and for all."""
    from vaebench.data import MNIST, Split

    data = MNIST(
        data_dir=args.data_dir,
        split=Split(kind="official", val=VALIDATION_IMAGES),
        binarize="dynamic",
    )
    index = torch.arange(args.eval_examples)
    return data.split("test").batch(index)["x"].flatten(1).to(args.device)


def training_images(args: argparse.Namespace) -> Tensor:
    """Grey training images `[55000, 784]`, on the device."""
    import torchvision

    images = torchvision.datasets.MNIST(str(Path(args.data_dir).expanduser()), train=True).data
    return (images[:TRAINING_IMAGES].flatten(1).float() / 255).to(args.device)


# --------------------------------------------------------------------- one side
def plain_nll(model: hand_loop.VAE, bits: Tensor, k: int) -> tuple[float, float]:
    """-L_k by the loop's own evaluator, and its standard error over images."""
    generator = torch.Generator(bits.device).manual_seed(PLAIN_EVAL_SEED)
    nll = -hand_loop.log_likelihood(model, bits, k, generator).double()
    return nll.mean().item(), (nll.std() / math.sqrt(len(nll))).item()


def run_loop(args: argparse.Namespace, name: str, seed: int, images: Tensor, bits: Tensor) -> Run:
    """The hand-written loop, in this process."""
    model, seconds = hand_loop.train(images, name, seed=seed, steps=args.steps, fused=args.fused)
    nll, error = plain_nll(model, bits, args.eval_k)
    return Run(name, "loop", seed, nll, error, args.steps / seconds, nll)


def run_vaebench(
    args: argparse.Namespace, name: str, seed: int, images: Tensor, bits: Tensor
) -> Run:
    """The product, as its command, in a temporary run folder."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "run")
        command(args, name, seed, folder)
        check_extras(args, folder)
        summary = json.loads((folder / "summary.json").read_text())
        saved = torch.load(folder / "checkpoints" / "last.ckpt", map_location=bits.device)
    if saved["global_step"] != args.steps:
        raise SystemExit(f"vaebench took {saved['global_step']} steps, not {args.steps}")
    model = hand_loop.VAE(images.mean(0).cpu()).to(bits.device)
    copy_state(saved["state_dict"], model)
    plain, _ = plain_nll(model, bits, args.eval_k)
    nll, error = summary["test/nll"], summary["test/nll_se"]
    return Run(name, "vaebench", seed, nll, error, args.steps / summary["seconds"], plain)


def command(
    args: argparse.Namespace,
    name: str,
    seed: int,
    folder: Path,
    *,
    k: int = 0,
    more: Sequence[str] = (),
) -> None:
    """Runs `vaebench …` into a folder; what it prints is shown only where it fails."""
    options = [
        *(f"model={name}", f"k={k or MODELS[name]}", f"seed={seed}", *OVERRIDES, *more),
        *(f"trainer.max_epochs={args.epochs}", f"trainer.max_steps={args.max_steps}"),
        *(f"eval.k={args.eval_k}", f"eval.examples={args.eval_examples}"),
        *(f"trainer={'gpu' if args.device == 'cuda' else 'cpu'}", f"hydra.run.dir={folder}"),
    ]
    # Into a pipe the bar would be ten lines; what is to be timed is the bar of a terminal.
    terminal = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    own = {"VAEBENCH_DATA_DIR": args.data_dir, "WANDB_MODE": "offline"}
    if args.threads:
        own["OMP_NUM_THREADS"] = str(args.threads)
    done = subprocess.run(
        [sys.executable, "-m", "vaebench", *options],
        env=os.environ | terminal | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout[-3000:]}\nvaebench exited with {done.returncode}")


def check_extras(args: argparse.Namespace, folder: Path) -> None:
    """What is timed includes logging and validation, so both must have left their traces."""
    metrics = (folder / "metrics.csv").read_text()
    if not list(folder.glob("wandb/offline-run-*")) or "train/bound" not in metrics:
        raise SystemExit("vaebench did not log: there is nothing to compare")
    if args.steps >= args.steps_per_epoch and "val/bound" not in metrics:
        raise SystemExit("vaebench did not validate: there is nothing to compare")


def copy_state(source: dict[str, Tensor], target: torch.nn.Module) -> None:
    """Weights from one side to the other: both hold the same layers in the same order."""
    own = target.state_dict()
    target.load_state_dict(dict(zip(own, source.values(), strict=True)))


# -------------------------------------------------------------------- benchmark
def benchmark(args: argparse.Namespace) -> int:
    """All runs, interleaved; writes the JSON and prints the table."""
    bits, images = test_bits(args), training_images(args)
    runs: list[Run] = []
    adam = "fused" if args.fused else "default"
    print(f"{args.steps} steps a run, the loop with torch's {adam} Adam, on {args.device}")
    for name in args.models:
        for i, seed in enumerate(args.seeds):
            for side in SIDES if i % 2 == 0 else SIDES[::-1]:
                run_side = run_loop if side == "loop" else run_vaebench
                runs.append(run := run_side(args, name, seed, images, bits))
                print(f"  {line(run)}", flush=True)
    summary = {name: summarise([r for r in runs if r.model == name]) for name in args.models}
    write(args, runs, summary)
    return report(args, runs, summary)


def summarise(runs: list[Run]) -> dict[str, Any]:
    """One model's comparison over seeds."""
    loop, ours = ({r.seed: r for r in runs if r.side == side} for side in SIDES)
    differences = [ours[seed].nll - loop[seed].nll for seed in loop]
    plain = [ours[seed].nll_plain - loop[seed].nll_plain for seed in loop]
    ratios = [ours[seed].steps_per_second / loop[seed].steps_per_second for seed in loop]
    mean, ratio = statistics.mean(differences), statistics.median(ratios)
    return {
        "mean_nll_difference": mean,
        "mean_nll_plain_difference": statistics.mean(plain),
        "nll_differences": differences,
        "median_speed_ratio": ratio,
        "speed_ratios": ratios,
        "nll_pass": abs(mean) <= MAX_NATS,
    }


def write(args: argparse.Namespace, runs: list[Run], summary: dict[str, Any]) -> None:
    """The JSON; it says what machine it was, not where the data lie."""
    about = {
        "steps": args.steps,
        "eval_k": args.eval_k,
        "eval_examples": args.eval_examples,
        "loop_adam": "fused" if args.fused else "default",
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu",
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    content = {"about": about, "runs": [asdict(r) for r in runs], "summary": summary}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def processor() -> str:
    """The CPU's name, where it is easily found."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [text.partition(":")[2].strip() for text in lines if text.startswith("model name")]
    return names[0] if names else platform.machine()


def report(args: argparse.Namespace, runs: list[Run], summary: dict[str, Any]) -> int:
    """The table, then a verdict a model and criterion; 1 where one fails."""
    print(f"\n-L_{args.eval_k} on {args.eval_examples} binarized test images, nats")
    for run in sorted(runs, key=lambda r: (args.models.index(r.model), r.seed, r.side)):
        print(f"  {line(run)}")
    print()
    for name, found in summary.items():
        nats, speed = found["mean_nll_difference"], found["median_speed_ratio"]
        ratios = ", ".join(f"{r:.2f}" for r in found["speed_ratios"])
        plain = found["mean_nll_plain_difference"]
        print(
            f"  {verdict(found['nll_pass'])}  {name:<5} mean nll difference {nats:+.3f} nats"
            f" (by one evaluator {plain:+.3f}), at most {MAX_NATS}"
        )
        print(f"        {name:<5} median speed ratio {speed:.3f} (seeds: {ratios})")
    passed = all(found["nll_pass"] for found in summary.values())
    return 0 if passed else 1


def line(run: Run) -> str:
    """One run of the table."""
    return (
        f"{run.model:<5} seed {run.seed}  {run.side:<9}{run.nll:8.3f} ± {run.nll_se:.3f}"
        f" (plain {run.nll_plain:.3f})  {run.steps_per_second:7.1f} steps/s"
    )


def verdict(passed: bool) -> str:
    """In four letters."""
    return "PASS" if passed else "FAIL"


# ------------------------------------------------------------------- self-check
def self_check(args: argparse.Namespace) -> int:
    """Both sides start alike, and with the same weights compute the same; 1 where they do not."""
    bits, images = test_bits(args)[:200], training_images(args)
    good = True
    for name in args.models:
        product = composed(args, name)
        start = hand_loop.VAE(images.mean(0).cpu())
        good &= same_start(name, start, product)
        trained, _ = hand_loop.train(images, name, seed=0, steps=min(args.steps, 200))
        trained = trained.cpu()
        copy_state(trained.state_dict(), product.model)
        good &= same_elbo(name, trained, product, bits.cpu())
        good &= same_step(name, trained, product, bits.cpu())
        good &= same_evaluation(name, trained, product, bits.cpu(), args.eval_k)
    return 0 if good else 1


def composed(args: argparse.Namespace, name: str) -> Composition:
    """vaebench's data, model and objective for the same options, not trained."""
    from hydra import compose, initialize_config_dir

    from vaebench.cli import HYDRA_VERSION, conf_dir
    from vaebench.composition import compose as build
    from vaebench.config.schema import register

    register()
    os.environ["VAEBENCH_DATA_DIR"] = args.data_dir
    with initialize_config_dir(str(conf_dir()), version_base=HYDRA_VERSION):
        options = [f"model={name}", f"k={MODELS[name]}", "name=self-check", *OVERRIDES]
        return build(compose("config", overrides=options))


def same_start(name: str, start: hand_loop.VAE, product: Composition) -> bool:
    """Initial weights of equal spread, layer by layer, and equal biases."""
    pairs = list(zip(start.parameters(), product.model.parameters(), strict=True))
    shapes = all(a.shape == b.shape for a, b in pairs)
    spread = max(abs((a.std() / b.std()).item() - 1) for a, b in pairs if a.ndim == 2)
    bias = max((a - b).abs().max().item() for a, b in pairs if a.ndim == 1)
    text = f"initial weights' spread differs by {spread:.1%}, biases by {bias:.1e}"
    return told(name, text, shapes and spread < 0.05 and bias < 1e-4)


def same_elbo(name: str, model: hand_loop.VAE, product: Composition, bits: Tensor) -> bool:
    """log p(x|z), KL and log weights of each example, on the same noise."""
    from vaebench.distributions import Noise
    from vaebench.inference import infer

    k = MODELS[name]
    with torch.no_grad():
        noise = Noise(torch.Generator().manual_seed(2))
        evidence = infer(product.model, {"x": bits.view(-1, 1, 28, 28)}, k, noise=noise)
        same_noise = torch.Generator().manual_seed(2)
        log_w = hand_loop.log_weights(model, bits, model.encode(bits), k, same_noise)
        errors = {"log w": log_w - evidence.log_w}
        if k == 1:
            torch.manual_seed(2)
            recon, kl = hand_loop.elbo_terms(model, bits)
            errors |= {"recon": recon - evidence.recon[0], "kl": kl - evidence.kl()[0]}
    worst = {term: error.abs().max().item() for term, error in errors.items()}
    text = "terms of each example differ by " + ", ".join(f"{t} {e:.1e}" for t, e in worst.items())
    # Sums of 784 float32 terms of size 100 to 1000 nats are exact to about 1e-4 alone.
    size = evidence.log_w.abs().max().item()
    text += f" (of at most {size:.0f} nats)"
    return told(name, text, max(worst.values()) < max(1e-4, 1e-6 * size))


def same_step(name: str, model: hand_loop.VAE, product: Composition, bits: Tensor) -> bool:
    """The loss that is minimised and its gradient, on the same noise."""
    torch.manual_seed(3)
    loss = hand_loop.LOSSES[name](model, bits)
    torch.manual_seed(3)
    theirs = product.objective(product.model, {"x": bits.view(-1, 1, 28, 28)}, torch.tensor(0)).loss
    ours = torch.autograd.grad(loss, list(model.parameters()))
    others = torch.autograd.grad(theirs, list(product.model.parameters()))
    gap = max(((a - b).norm() / b.norm()).item() for a, b in zip(ours, others, strict=True))
    text = f"losses differ by {abs(loss - theirs).item():.1e} nats, gradients by {gap:.1e} of norm"
    return told(name, text, abs(loss - theirs).item() < 1e-4 and gap < 1e-4)


def same_evaluation(
    name: str, model: hand_loop.VAE, product: Composition, bits: Tensor, k: int
) -> bool:
    """-L_k by both evaluators: equal on the same noise, and else apart by Monte-Carlo error."""
    from vaebench.distributions import Noise
    from vaebench.measures.likelihood import log_likelihood

    def ours(seed: int) -> Tensor:
        return hand_loop.log_likelihood(model, bits, k, torch.Generator().manual_seed(seed))

    noise = Noise(torch.Generator().manual_seed(4))
    theirs = log_likelihood(product.model, {"x": bits.view(-1, 1, 28, 28)}, k, noise)
    # The same seed gives the same noise however it is chunked: a CPU generator fills blocks of 16.
    exact = (ours(4) - theirs).abs().max().item()
    # With noise of their own the differences of the same L_k hold Monte-Carlo error alone.
    gap = (ours(5) - theirs).double()
    mean, error = gap.mean().item(), (gap.std() / math.sqrt(len(gap))).item()
    text = (
        f"-L_{k} {-theirs.mean().item():.3f} by vaebench on {len(gap)} images; apart"
        f" {exact:.1e} nats an image on the same noise, {mean:+.3f} ± {error:.3f} on other noise"
    )
    return told(name, text, exact < 1e-3 and abs(mean) < 3 * error)


def told(name: str, text: str, passed: bool) -> bool:
    """Prints a check and hands its outcome back."""
    print(f"  {verdict(passed)}  {name:<5} {text}", flush=True)
    return passed


# ------------------------------------------------------------------ command line
def parse() -> argparse.Namespace:
    """The options, with what follows from them."""
    kind = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=kind)
    folder = os.environ.get("VAEBENCH_DATA_DIR", "~/.cache/vaebench")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    out = Path(__file__).parent / "results" / "mnist_loop.json"
    parser.add_argument("--data-dir", default=folder, help="holds MNIST/raw (VAEBENCH_DATA_DIR)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--fused", action="store_true", help="fused Adam in the loop too")
    parser.add_argument("--device", choices=["cpu", "cuda"], default=device)
    parser.add_argument("--threads", type=int, default=0, help="of both sides; 0: torch's choice")
    parser.add_argument("--max-steps", type=int, default=-1, help="stop early: a smoke test")
    parser.add_argument("--eval-k", type=int, default=1000)
    parser.add_argument("--eval-examples", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=out)
    parser.add_argument("--self-check", action="store_true", help="compare, do not benchmark")
    args = parser.parse_args()
    args.steps_per_epoch = math.ceil(TRAINING_IMAGES / hand_loop.BATCH)
    steps = args.epochs * args.steps_per_epoch
    args.steps = min(steps, args.max_steps) if args.max_steps > 0 else steps
    return args


def main() -> int:
    """The benchmark, or its self-check."""
    args = parse()
    if args.threads:
        torch.set_num_threads(args.threads)
    return self_check(args) if args.self_check else benchmark(args)


if __name__ == "__main__":
    raise SystemExit(main())
