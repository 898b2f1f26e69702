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


class Team:
    """This process among those that train together.

    rank: its number. world: how many there are. device: what it computes on.
    """

    def __init__(self, device: torch.device, *, rank: int = 0, world: int = 1) -> None:
        self.device, self.rank, self.world = device, rank, world

    @classmethod
    def join(cls, device: str = "auto") -> "Team":
        """The processes that `accelerate launch` or torchrun has started; alone where none has.

        device: `auto`, `cpu` or `cuda`. Raises CycleganError where it is not to be had.
        """
        if device == "cuda" and not torch.cuda.is_available():
            raise CycleganError("this torch sees no CUDA GPU; leave out --device cuda or install a CUDA build of torch")
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls(torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"))
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise CycleganError("several processes need accelerate: pip install accelerate") from error
        state = PartialState(cpu=device == "cpu" or not torch.cuda.is_available())
        return cls(state.device, rank=state.process_index, world=state.num_processes)

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    def mean_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
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

    def told(self, value: Any) -> Any:
        """The value of the leading process, in all."""
        if self.world == 1:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value], from_process=0)[0]

    def all(self, value: Any) -> list[Any]:
        """The values of all processes, in the order of their ranks, in all."""
        if self.world == 1:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])

    def of_leader(self, call: Callable[[], Result]) -> Result:
        """What the call returns in the leading process, in all; what it raises there as CycleganError, too."""
        if self.world == 1:
            return call()
        result: tuple[Any, str] = (None, "")
        if self.leads:
            try:
                result = call(), ""
            except CycleganError as error:
                result = None, str(error)
        value, wrong = self.told(result)
        if wrong:
            raise CycleganError(wrong)
        return value

    def leader_first(self, call: Callable[[], Result]) -> Result:
        """What the call returns in this process, which waits until the leading one is done with its own."""
        if not self.leads:
            self.wait()
        result = call()
        if self.leads:
            self.wait()
        return result

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def leave(self) -> None:
        """Ends the connection between the processes."""
        if self.world > 1 and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
