"""The training loop of every kind: optimiser, schedule, validation, early stopping, checkpoints.

A run is a pure function of its plan, examples and model: killed at any point and started again it ends with the
same bits, because the order of the batches follows from the seed and a checkpoint holds the generator's state too.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tasks.progress import progress
from tasks.train import checkpoint
from tasks.train.batches import epoch_batches
from tasks.train.hardware import Hardware, autocast

if TYPE_CHECKING:
    import torch


class Examples(Protocol):
    """What a kind gives the loop: how long each example is, and the loss and count right of some of them."""

    lengths: list[int]

    def loss(self, model: "torch.nn.Module", positions: list[int], device: str) -> "torch.Tensor":
        """Mean loss of the examples at `positions`, with its graph."""
        ...


@dataclass(frozen=True)
class Plan:
    """How to train; times in minutes, everything else in steps, shares or absolute numbers."""

    epochs: float
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    patience: int
    validations_per_epoch: int
    seed: int
    checkpoint_minutes: float
    hardware: Hardware


@dataclass
class Progress:
    """Where training stands. `history` has one entry a validation."""

    step: int = 0
    best_loss: float = math.inf
    worse: int = 0
    stopped: bool = False
    running_loss: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


Log = Callable[[int, dict[str, float]], None]


class Training:
    """One training run: model, optimiser and progress together, saved and restored as one."""

    def __init__(self, model: "torch.nn.Module", plan: Plan, n_examples: int) -> None:
        import torch

        self.model, self.plan = model.to(plan.hardware.device), plan
        self.per_epoch = math.ceil(n_examples / plan.batch_size)
        self.steps = max(1, round(plan.epochs * self.per_epoch))
        self.progress = Progress()
        self.best = _copied(model)
        groups = _decay_groups(model, plan.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)

    def train(self, examples: Examples, validation: Examples, file: Path, key: str, log: Log) -> dict[str, Any]:
        """Train to the end (or go on from `file` if it belongs to `key`), leaving the best weights in the model."""
        self._restore(file, key)
        saved_at = time.monotonic()
        with progress("training", self.steps) as report:
            while self.progress.step < self.steps and not self.progress.stopped:
                self._one_step(examples)
                report(self.progress.step, f"loss {self._mean_loss():.3f}")
                if self._validation_is_due():
                    self._validate(validation, log)
                if time.monotonic() - saved_at > 60 * self.plan.checkpoint_minutes:
                    self._save(file, key)
                    saved_at = time.monotonic()
        self.model.load_state_dict(self.best)
        return {"steps": self.progress.step, "history": self.progress.history, "best_loss": self.progress.best_loss}

    def _one_step(self, examples: Examples) -> None:
        import torch

        step = self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.learning_rate * _rate(step, self.steps, self.plan.warmup)
        self.model.train()
        with autocast(self.plan.hardware):
            loss = examples.loss(self.model, self._batch(examples, step), self.plan.hardware.device)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.progress.running_loss += loss.item()
        self.progress.step += 1

    def _batch(self, examples: Examples, step: int) -> list[int]:
        epoch, at = divmod(step, self.per_epoch)
        if getattr(self, "_epoch", None) != epoch:
            self._epoch = epoch
            self._batches = epoch_batches(examples.lengths, self.plan.batch_size, self.plan.seed, epoch)
        return self._batches[at]

    def _mean_loss(self) -> float:
        since = self.progress.history[-1]["step"] if self.progress.history else 0
        return self.progress.running_loss / max(1, self.progress.step - since)

    def _validation_is_due(self) -> bool:
        every = max(1, self.per_epoch // self.plan.validations_per_epoch)
        return self.progress.step % every == 0 or self.progress.step == self.steps

    def _validate(self, validation: Examples, log: Log) -> None:
        state = self.progress
        figures = {"train_loss": self._mean_loss(), "validation_loss": self._loss_on(validation)}
        log(state.step, figures)
        print(f"step {state.step}/{self.steps}  " + "  ".join(f"{k} {v:.4f}" for k, v in figures.items()), flush=True)
        state.history.append({"step": state.step, **figures})
        state.running_loss = 0.0
        if figures["validation_loss"] < state.best_loss:
            state.best_loss, state.worse, self.best = figures["validation_loss"], 0, _copied(self.model)
        else:
            state.worse += 1
            state.stopped = state.worse >= self.plan.patience

    def _loss_on(self, validation: Examples) -> float:
        """Mean loss over all validation examples; nan-free, 0 when there are none."""
        import torch

        self.model.eval()
        total, order = 0.0, sorted(range(len(validation.lengths)), key=lambda index: validation.lengths[index])
        with torch.inference_mode(), autocast(self.plan.hardware):
            for start in range(0, len(order), 64):
                positions = order[start : start + 64]
                total += validation.loss(self.model, positions, self.plan.hardware.device).item() * len(positions)
        return total / max(1, len(order))

    def _save(self, file: Path, key: str) -> None:
        import torch

        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        tensors["random"] = torch.get_rng_state()
        if self.plan.hardware.device == "cuda":
            tensors["random_cuda"] = torch.cuda.get_rng_state()
        checkpoint.save(file, key, tensors, vars(self.progress))

    def _restore(self, file: Path, key: str) -> None:
        import torch

        found = checkpoint.load(file, key)
        if found is None:
            return
        tensors, state = found
        self.progress = Progress(**state)
        self.model.load_state_dict(_below("model.", tensors))
        self.best = {name: tensor.to(self.plan.hardware.device) for name, tensor in _below("best.", tensors).items()}
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = tensor
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        torch.set_rng_state(tensors["random"])
        if "random_cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random_cuda"])
        print(f"going on from step {self.progress.step} of {self.steps}", flush=True)


def _rate(step: int, steps: int, warmup: float) -> float:
    """Share of the full learning rate: linear warm-up, then linear to nothing."""
    rising = max(1, round(warmup * steps))
    return (step + 1) / rising if step < rising else (steps - step) / max(1, steps - rising)


def _decay_groups(model: "torch.nn.Module", weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases and normalisation weights do not (Loshchilov and Hutter 2019; usual for BERT)."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def _copied(model: "torch.nn.Module") -> "dict[str, torch.Tensor]":
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _below(prefix: str, tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
