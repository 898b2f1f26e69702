"""What all tests of training share: the features to measure by are learned from few pictures, as nobody reads them."""

import pytest

from train.evaluation import features


@pytest.fixture(autouse=True)
def hardly_trained_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it each run with validation pictures of its own would train an encoder for half a minute."""
    monkeypatch.setattr(features, "PICTURES", 128)
