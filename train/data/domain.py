"""`Domain`: endless batches of the pictures of one kind, read ahead of the training and resumed exactly."""

import hashlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

DECODERS = 16  # threads that decode pictures, at most
State = dict[str, Any]  # plain values, as a checkpoint keeps them


def seeded(*parts: object) -> torch.Generator:
    """A generator of random numbers that depends on the parts alone, on every machine."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


class Domain:
    """Pictures as uint8 (B, 3, side, side) batches on a device, for ever.

    While a batch is used, a thread reads the next one into pinned memory and sends it to the device, so that the
    device does not wait. `state_dict` tells what has been handed out, not what has been read ahead. A batch on its way
    is thrown away when the next one asked for has another size.

    side: of the pictures. count: how many pictures a pass shows, None where nobody has counted. skipped: files that
    cannot be used, and why. changed: whether it goes on with other pictures than those that a state was made with.
    """

    def __init__(self, side: int, *, count: int | None, device: torch.device, ahead: bool = True) -> None:
        self.side, self.count, self.device = side, count, device
        self.skipped: list[tuple[str, str]] = []
        self.changed = False
        self._reader = ThreadPoolExecutor(1, "reads-ahead") if ahead else None
        self._ahead: tuple[int, Future[tuple[Tensor, Any]]] | None = None
        self._copies = torch.cuda.Stream(device) if ahead and device.type == "cuda" else None
        self._closed = threading.Event()
        self._consumed: State | None = None

    # What a kind of domain says of itself; called by one thread at a time.

    def _read(self, number: int) -> Tensor:
        """The next pictures, uint8 (number, 3, side, side)."""
        raise NotImplementedError

    def _position(self) -> State:
        """Where the next `_read` starts."""
        raise NotImplementedError

    def _go_to(self, position: State) -> None:
        raise NotImplementedError

    def spread(self, number: int) -> Tensor:
        """At most `number` fixed pictures for a sheet, uint8 (N, 3, side, side) on the CPU."""
        raise NotImplementedError

    def take(self, number: int) -> Tensor:
        """This process's share, uint8 (number, 3, side, side) on the device, of the next batch of all processes."""
        if self._reader is None:
            return self._read(number)
        if self._consumed is None:
            self._consumed = self._position()
        if self._ahead is not None and self._ahead[0] != number:
            self._rewind()
        asked, future = self._ahead or (number, self._reader.submit(self._read_ahead, number))
        try:
            pictures, arrived = future.result()
        except Exception:
            self._rewind()
            raise
        if arrived is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_event(arrived)
            pictures.record_stream(current)  # its memory is not given away before the training is done with it
        self._consumed = self._position()
        self._ahead = (asked, self._reader.submit(self._read_ahead, number))
        return pictures

    def _read_ahead(self, number: int) -> tuple[Tensor, Any]:
        pictures = self._read(number)
        if self._copies is None:
            return pictures.to(self.device), None
        with torch.cuda.stream(self._copies):
            pictures = pictures.pin_memory().to(self.device, non_blocking=True)
            return pictures, self._copies.record_event()

    def _rewind(self) -> None:
        """Forgets what has been read ahead."""
        if self._ahead is not None and not self._ahead[1].cancel():
            self._ahead[1].exception()  # waits for it
        self._ahead = None
        if self._consumed is not None:
            self._go_to(self._consumed)

    def state_dict(self) -> State:
        """What has been handed out; `take` goes on from there after `load_state_dict`, in this process or another."""
        return dict(self._position() if self._consumed is None else self._consumed)

    def load_state_dict(self, state: State) -> None:
        """Raises CycleganError where the state is that of other pictures."""
        self._rewind()
        self._go_to(state)
        if self._reader is not None:
            self._consumed = self._position()

    def close(self) -> None:
        """Ends the reading ahead; what it reads at the moment is not waited for."""
        self._closed.set()
        if self._reader is not None:
            self._reader.shutdown(wait=False, cancel_futures=True)
