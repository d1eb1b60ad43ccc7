"""The gradient of one batch, in pieces that fit into the memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from tasks.errors import TidemillError
from tasks.train.batches import Batch
from tasks.train.hardware import Hardware, autocast

if TYPE_CHECKING:
    import torch

Forward = Callable[..., "torch.Tensor"]
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
"""What torch says on a GPU and on a CPU; only the GPU has an exception of its own for it."""


def losses(forward: Forward, batch: Batch, hardware: Hardware, smoothing: float = 0.0) -> "torch.Tensor":
    """The summed cross-entropy of the batch's rows against their target shares, with its graph.

    `smoothing` moves that share of each target to all classes evenly (Szegedy et al. 2016).
    """
    import torch

    inputs = [torch.from_numpy(values).to(hardware.device, non_blocking=True) for values in batch.inputs]
    targets = torch.from_numpy(batch.targets).to(hardware.device, non_blocking=True)
    with autocast(hardware):
        logits = forward(*inputs)
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum", label_smoothing=smoothing)


class Accumulated:
    """Adds the gradients of a batch's pieces; their sum is the whole batch's gradient, however many pieces there are.

    The exception is batch normalisation, whose statistics are those of a piece.
    """

    def __init__(self, model: "torch.nn.Module", forward: Forward, hardware: Hardware, smoothing: float) -> None:
        self._model, self._forward, self._hardware, self._smoothing = model, forward, hardware, smoothing

    def backward(self, batch: Batch, whole: int, rows: int) -> "tuple[torch.Tensor, int]":
        """The summed loss of the batch, and the rows at once: as asked, or halved as often as the memory needed it.

        The gradient (of the mean over `whole` rows) is added in the parameters. Raises TidemillError when one row alone
        does not fit.
        """
        import torch

        before = [buffer.clone() for buffer in self._model.buffers()]
        random = torch.get_rng_state()
        while True:
            try:
                return self._once(batch, whole, rows), rows
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                rows = _halved(min(rows, len(batch)), error)
            # The same mathematics from where the step began: nothing of the attempt is left.
            self._model.zero_grad(set_to_none=True)
            for buffer, value in zip(self._model.buffers(), before, strict=True):
                buffer.copy_(value)
            torch.set_rng_state(random)
            if self._hardware.device == "cuda":
                torch.cuda.empty_cache()
            print(f"out of memory: going on with {rows} rows at once", flush=True)

    def _once(self, batch: Batch, whole: int, rows: int) -> "torch.Tensor":
        import torch

        total = torch.zeros((), dtype=torch.float64, device=self._hardware.device)
        for part in batch.parts(rows):
            loss = losses(self._forward, part, self._hardware, self._smoothing)
            (loss / whole).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY)


def _halved(rows: int, error: BaseException) -> int:
    if rows == 1:
        raise TidemillError(
            "train: one example alone does not fit into the memory; lower train.max_tokens or train.images.size, "
            "or set train.recompute: true"
        ) from error
    return -(-rows // 2)
