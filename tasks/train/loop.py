"""The training loop of every kind: optimiser, schedule, validation, early stopping, checkpoints.

A run is a pure function of its plan, examples and model: killed at any point and started again it ends with the
same bits, because order and variation of the batches follow from the seed and a checkpoint holds the generator's
state too.
"""

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.progress import progress
from tasks.train import checkpoint
from tasks.train.batches import Examples
from tasks.train.feed import Feed
from tasks.train.gradients import Accumulated, losses
from tasks.train.hardware import Hardware
from tasks.train.processes import World, agreed, gathered, sum_gradients

if TYPE_CHECKING:
    import torch

VALIDATED_AT_ONCE = 64


@dataclass(frozen=True)
class Plan:
    """How to train; times in minutes, everything else in steps, shares or absolute numbers."""

    epochs: float
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    warmup: float
    weight_decay: float
    patience: int
    validations_per_epoch: int
    seed: int
    checkpoint_minutes: float
    hardware: Hardware
    smoothing: float = 0.0
    micro_batch: int | None = None
    compiled: bool = False
    world: World = field(default_factory=World)


@dataclass
class Progress:
    """Where training stands. `history` has one entry a validation; `micro_batch`: the rows that go through at once."""

    micro_batch: int
    step: int = 0
    best_loss: float = math.inf
    worse: int = 0
    stopped: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


Log = Callable[[int, dict[str, float]], None]


class Training:
    """One training run: model, optimiser and progress together, saved and restored as one."""

    def __init__(self, model: "torch.nn.Module", plan: Plan, n_examples: int) -> None:
        import torch

        self.model, self.plan = model.to(plan.hardware.device), plan
        self.per_epoch = math.ceil(n_examples / plan.batch_size)
        self.steps = max(1, round(plan.epochs * self.per_epoch))
        self.progress = Progress(plan.micro_batch or plan.batch_size)
        self.best = _copied(model)
        groups = _groups(model, plan)
        self.optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)
        forward = torch.compile(self.model, dynamic=True) if plan.compiled else self.model
        self.gradients = Accumulated(self.model, forward, plan.hardware, plan.smoothing)
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=plan.hardware.device)

    def train(self, examples: Examples, validation: Examples, file: Path, key: str, log: Log) -> dict[str, Any]:
        """Train to the end (or go on from `file` if it belongs to `key`), leaving the best weights in the model."""
        self._restore(file, key)
        saved_at = time.monotonic()
        plan, state = self.plan, self.progress
        feed = Feed(examples, plan.batch_size, plan.seed, plan.world)
        with contextlib.closing(feed), progress("training", self.steps) as report:
            while state.step < self.steps and not state.stopped:
                self._one_step(feed)
                report(state.step)
                if self._validation_is_due():
                    self._validate(validation, log)
                if agreed(time.monotonic() - saved_at > 60 * plan.checkpoint_minutes, plan.world):
                    self._save(file, key)
                    saved_at = time.monotonic()
        self.model.load_state_dict(self.best)
        told = ("history", "best_loss", "micro_batch")
        return {"steps": state.step, **{name: getattr(state, name) for name in told}}

    def _one_step(self, feed: Feed) -> None:
        import torch

        state = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = group["highest"] * _rate(state.step, self.steps, self.plan.warmup)
        self.model.train()
        batch, whole = feed.at(state.step)
        loss, state.micro_batch = self.gradients.backward(batch, whole, state.micro_batch)
        sum_gradients(self.model, self.plan.world)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # Added up where it is: to ask a GPU for it at each step would make it wait.
        self.loss_sum += loss / whole
        state.step += 1

    def _mean_loss(self) -> float:
        since = self.progress.history[-1]["step"] if self.progress.history else 0
        total = sum(gathered(self.loss_sum.item(), self.plan.world))
        return float(total / max(1, self.progress.step - since))

    def _validation_is_due(self) -> bool:
        every = max(1, self.per_epoch // self.plan.validations_per_epoch)
        return self.progress.step % every == 0 or self.progress.step == self.steps

    def _validate(self, validation: Examples, log: Log) -> None:
        state, world = self.progress, self.plan.world
        train_loss = self._mean_loss()
        loss = agreed(self._loss_on(validation) if world.leads else None, world)
        figures = {"train_loss": train_loss, "validation_loss": loss}
        if world.leads:
            log(state.step, figures)
            told = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
            print(f"step {state.step}/{self.steps}  {told}", flush=True)
        state.history.append({"step": state.step, **figures})
        self.loss_sum.zero_()
        if loss < state.best_loss:
            state.best_loss, state.worse, self.best = loss, 0, _copied(self.model)
        else:
            state.worse += 1
            state.stopped = state.worse >= self.plan.patience

    def _loss_on(self, validation: Examples) -> float:
        """Mean loss over all validation examples; nan-free, 0 when there are none."""
        import torch

        self.model.eval()
        total, order = 0.0, sorted(range(len(validation.lengths)), key=lambda index: validation.lengths[index])
        with torch.inference_mode():
            for start in range(0, len(order), VALIDATED_AT_ONCE):
                batch = validation.batch(order[start : start + VALIDATED_AT_ONCE], None)
                total += losses(self.model, batch, self.plan.hardware).item()
        return total / max(1, len(order))

    def _save(self, file: Path, key: str) -> None:
        import torch

        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        on_gpu = self.plan.hardware.device == "cuda"
        mine = {"random": torch.get_rng_state(), "loss_sum": self.loss_sum.cpu()}
        mine |= {"random_cuda": torch.cuda.get_rng_state()} if on_gpu else {}
        for rank, own in enumerate(gathered(mine, self.plan.world)):
            tensors |= {f"process.{rank}.{name}": tensor for name, tensor in own.items()}
        if self.plan.world.leads:
            checkpoint.save(file, key, tensors, asdict(self.progress))

    def _restore(self, file: Path, key: str) -> None:
        import torch

        found = checkpoint.load(file, key)
        if found is None:
            return
        tensors, state = found
        vars(self.progress).update(state)
        self.model.load_state_dict(_below("model.", tensors))
        self.best = {name: tensor.to(self.plan.hardware.device) for name, tensor in _below("best.", tensors).items()}
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = _laid_out_as(trained[int(index)], tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        own = _below(f"process.{self.plan.world.rank}.", tensors)
        self.loss_sum.copy_(own["loss_sum"])
        torch.set_rng_state(own["random"])
        if "random_cuda" in own:
            torch.cuda.set_rng_state(own["random_cuda"])
        if self.plan.world.leads:
            print(f"going on from step {self.progress.step} of {self.steps}", flush=True)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the full learning rate: linear warm-up, then linear to nothing."""
    rising = max(1, round(warmup * steps))
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def _groups(model: "torch.nn.Module", plan: Plan) -> list[dict[str, Any]]:
    """The parameters by the highest rate they learn at and by decay.

    A fresh `head` on a pretrained model learns faster than what lies under it (discriminative fine-tuning: Howard and
    Ruder 2018). Matrices decay; biases and normalisation weights do not (Loshchilov and Hutter 2019; usual for BERT).
    """
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            highest = plan.head_learning_rate if "head" in name.split(".") else plan.learning_rate
            decay = plan.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((highest, decay), []).append(parameter)
    return [
        {"params": parameters, "highest": highest, "weight_decay": decay}
        for (highest, decay), parameters in groups.items()
    ]


def _laid_out_as(parameter: "torch.Tensor", tensor: "torch.Tensor") -> "torch.Tensor":
    """The tensor in the parameter's own order of memory: the fused optimiser goes through both side by side."""
    import torch

    return tensor if tensor.shape != parameter.shape else torch.empty_like(parameter).copy_(tensor)


def _copied(model: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _below(prefix: str, tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
