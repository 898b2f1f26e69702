"""The processes that train together: one, or as many as `accelerate launch` has started.

Every process holds the same weights, the same state of the random generators and its own rows of each batch. It draws
random numbers for all rows and keeps those of its own, and the gradients are averaged: so the result depends on the
global batch, not on how many processes share it.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cyclegan_core.errors import CycleganError

Result = TypeVar("Result")


class ProcessGroup:
    """The processes that train together, as one of them sees them.

    rank: number of this process. world: how many there are. device: what this process computes on.
    """

    def __init__(self, device: torch.device, *, rank: int = 0, world: int = 1) -> None:
        self.device, self.rank, self.world = device, rank, world

    @classmethod
    def join(cls, device: str = "auto") -> "ProcessGroup":
        """The processes that `accelerate launch` or torchrun has started; alone where none has.

        device: `auto`, `cpu` or `cuda`. Raises CycleganError where it is not to be had.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise CycleganError("this torch sees no CUDA GPU; leave out --device cuda or install a CUDA build of torch")
        torch.backends.cudnn.benchmark = True  # all batches of a stage have one shape
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"))
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise CycleganError("several processes need accelerate: pip install accelerate") from error
        state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
        return cls(state.device, rank=state.process_index, world=state.num_processes)

    @property
    def is_main_process(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replaces every gradient by its mean over the processes, in one exchange."""
        if self.world == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        torch.distributed.all_reduce(flat)
        flat /= self.world
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        if self.world == 1:
            return value
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total / self.world

    def broadcast(self, value: Any) -> Any:
        """Returns the main process's value in every process."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value], from_process=0)[0]

    def gather(self, value: Any) -> list[Any]:
        """Returns the values of all processes, in the order of their ranks, in every process."""
        if self.world == 1:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])

    def call_on_main_process(self, call: Callable[[], Result]) -> Result:
        """Calls in the main process alone; what it returns, or raises as CycleganError, comes out in every process."""
        if self.world == 1:
            return call()
        result: tuple[Any, str] = (None, "")
        if self.is_main_process:
            try:
                result = call(), ""
            except CycleganError as error:
                result = None, str(error)
        value, wrong = self.broadcast(result)
        if wrong:
            raise CycleganError(wrong)
        return value

    def main_process_first(self, call: Callable[[], Result]) -> Result:
        """Calls in every process, in the main process first: the others wait until it is done."""
        if not self.is_main_process:
            self.barrier()
        result = call()
        if self.is_main_process:
            self.barrier()
        return result

    def barrier(self) -> None:
        """Waits until all processes have come here."""
        if self.world > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Ends the connection between the processes."""
        if self.world > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
