"""The history of fakes: what it hands out, row by row, and that processes share it without exchanging pictures."""

import pytest
import torch

from cyclegan_core.image_pool import ImagePool


def batch(*values: float) -> torch.Tensor:
    return torch.tensor(values).reshape(-1, 1, 1, 1).expand(-1, 3, 2, 2).clone()


def test_pool_hands_out_the_new_until_it_is_full_and_then_a_mix() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50)
    for start in range(0, 50, 10):
        fresh = batch(*map(float, range(start, start + 10)))
        assert torch.equal(pool.query(fresh), fresh)
    given = torch.cat([pool.query(batch(*[1000.0 + i] * 10))[:, 0, 0, 0] for i in range(40)])
    old = float((given < 50).float().mean())
    # Half of the answers are stored pictures; after 400 exchanges nearly all of the first fifty have been given back.
    assert 0.08 < old <= 50 / 400
    assert len(given.unique()) > 30


def test_pool_detaches_and_does_not_alias() -> None:
    torch.manual_seed(0)
    pool = ImagePool(1)
    fake = torch.ones(1, 3, 2, 2, requires_grad=True) * 2
    assert not pool.query(fake).requires_grad
    with torch.no_grad():
        fake.mul_(0)
    answers = {float(pool.query(batch(7)).mean()) for _ in range(8)}
    assert answers == {2.0, 7.0}


def test_pool_of_size_zero_is_a_passage() -> None:
    fake = torch.rand(2, 3, 2, 2)
    assert torch.equal(ImagePool(0).query(fake), fake)


def test_two_processes_do_what_one_does() -> None:
    torch.manual_seed(1)
    batches = [batch(*(torch.rand(4) * 100).tolist()) for _ in range(30)]
    state = torch.get_rng_state()
    alone = ImagePool(8)
    expected = [alone.query(fakes) for fakes in batches]
    for rank in (0, 1):
        torch.set_rng_state(state)
        part = ImagePool(8, rank=rank, world=2)
        for fakes, whole in zip(batches, expected, strict=True):
            assert torch.equal(part.query(fakes[2 * rank : 2 * rank + 2]), whole[2 * rank : 2 * rank + 2])


def test_a_stored_pool_goes_on_as_it_would_have() -> None:
    torch.manual_seed(2)
    pool = ImagePool(6)
    for i in range(9):
        pool.query(batch(i, 10 + i))
    kept = ImagePool(6)
    kept.load_state_dict({k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in pool.state_dict().items()})
    state = torch.get_rng_state()
    expected = [pool.query(batch(100 + i, 200 + i)) for i in range(9)]
    torch.set_rng_state(state)
    for i, answer in enumerate(expected):
        assert torch.equal(kept.query(batch(100 + i, 200 + i)), answer)


def test_a_cleared_pool_takes_another_size() -> None:
    pool = ImagePool(4)
    pool.query(torch.zeros(2, 3, 4, 4))
    with pytest.raises(ValueError, match="batches of 2 pictures, not 3"):
        pool.query(torch.zeros(3, 3, 4, 4))
    pool.clear()
    assert pool.query(torch.zeros(3, 3, 8, 8)).shape == (3, 3, 8, 8)


@pytest.mark.parametrize(("arguments", "says"), [((-1, 0, 1), "negative"), ((5, 2, 2), "from 0 to below 2")])
def test_senseless_pools_are_refused(arguments: tuple[int, int, int], says: str) -> None:
    size, rank, world = arguments
    with pytest.raises(ValueError, match=says):
        ImagePool(size, rank=rank, world=world)
