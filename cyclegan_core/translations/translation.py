"""A translation: two generators and what is needed to use them, as one folder, the same everywhere.

The folder holds `config.json`, `model.safetensors` and `README.md`, the model card. The keys of the weights are
`a_to_b.*` and `b_to_a.*`, or `shared.*` where one conditional network serves both directions. The folder may be
embedded in this package, lie on disk, or be a repository on the Hugging Face Hub. Nothing here unpickles.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from cyclegan_core.atomic import atomically
from cyclegan_core.errors import TranslationError
from cyclegan_core.networks import GENERATORS, Conditioned
from cyclegan_core.translations import hub
from cyclegan_core.translations.config import Direction, TranslationConfig, check_arguments
from cyclegan_core.translations.source import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE, Source

# A config asks for memory before a weight is read; the paper's ResNet-9 has 11.4 million parameters.
LARGEST_GENERATOR = 200_000_000


class Translation:
    """A pair of domains with the two generators between them.

    config: see `TranslationConfig`. generators: one for each direction that the config names, modules in evaluation
    mode that take and return float32 (B, 3, S, S) in [-1, 1]; see `build_generators`. source: where it was read from,
    in words for people. folder: where it was read from. card: its model card, where there is one. snapshot: the commit,
    where it came from the Hub.
    """

    folder: Path | None = None
    card: Path | None = None
    snapshot: hub.Snapshot | None = None

    def __init__(
        self, config: TranslationConfig, generators: dict[Direction, nn.Module], source: str = "memory"
    ) -> None:
        self.config = config
        self.generators = generators
        self.source = source

    @classmethod
    def from_pretrained(cls, name: str, *, revision: str | None = None) -> "Translation":
        """Reads an embedded translation (`gender`), a folder, or a Hub repository (`org/name`).

        revision: branch, tag or, best, commit of a Hub repository; only used there. Raises TranslationError.
        """
        return cls.read(Source.named(name, revision))

    @classmethod
    def read(cls, source: Source, *, seconds: float = hub.SECONDS) -> "Translation":
        """Reads what a source names; a Hub repository is fetched first, see `hub.fetch`. Raises TranslationError.

        seconds: after which fetching is given up.
        """
        if source.kind == "hub":
            files = (CONFIG_FILE, WEIGHTS_FILE)
            found = hub.fetch(source.name, files, (CARD_FILE,), revision=source.revision, seconds=seconds)
            where = f"{source.name} at revision {found.commit}, Hugging Face Hub"
            translation = cls.load(found.folder, source=where)
            translation.snapshot = found
            return translation
        words = f"{source.name}, embedded" if source.kind == "embedded" else None
        return cls.load(source.folder() or source.name, source=words)

    @classmethod
    def load(cls, folder: str | Path, *, source: str | None = None) -> "Translation":
        """Reads a translation from a folder. Raises TranslationError that names what is wrong with it."""
        folder = Path(folder)
        source = source or f"folder {folder.name}"
        config = TranslationConfig.from_dict(_read_config(folder / CONFIG_FILE))
        generators = build_generators(config)
        _load_weights(folder / WEIGHTS_FILE, distinct_networks(generators))
        ready = {direction: generator.eval().requires_grad_(False) for direction, generator in generators.items()}
        translation = cls(config, ready, source)
        translation.folder, card = folder, folder / CARD_FILE
        translation.card = card if card.is_file() and card.stat().st_size <= 1_000_000 else None
        return translation

    def save(self, folder: str | Path, *, half: bool = False) -> None:
        """Writes `config.json` and `model.safetensors` into a folder, each whole or not at all. Raises OSError.

        half: floating-point weights in float16, half as large; what comes out changes by less than a pixel value.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {
            f"{name}.{key}": (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
            for name, network in distinct_networks(self.generators).items()
            for key, value in network.state_dict().items()
        }
        with atomically(folder / WEIGHTS_FILE) as partial:
            partial.write_bytes(save(tensors, metadata={"format": "pt"}))  # save_file would hide it from other users
        self.save_config(folder)

    def save_config(self, folder: str | Path) -> None:
        """Writes `config.json` alone, whole or not at all, and leaves the weights that lie there. Raises OSError."""
        text = json.dumps(self.config.to_dict(), indent=2, ensure_ascii=False) + "\n"
        with atomically(Path(folder) / CONFIG_FILE) as partial:
            partial.write_text(text, encoding="utf-8")


def build_generators(config: TranslationConfig) -> dict[Direction, nn.Module]:
    """New generators for the directions that the config names, each with a network of its own.

    Where the generator has conditions, all are `Conditioned` on one network: `a_to_b` on the first of the conditions,
    `b_to_a` on the second. Raises TranslationError as `build_generator` does.
    """
    conditions = config.generator_arguments.get("conditions", 0)
    if not conditions:
        return {direction: build_generator(config) for direction in config.directions}
    shared = build_generator(config)
    if conditions < len(Direction):
        raise TranslationError(
            f"config.json: {conditions} condition cannot tell two directions apart; conditions must be 0 or at least 2"
        )
    return {
        direction: Conditioned(shared, index, conditions)
        for index, direction in enumerate(Direction)
        if direction in config.directions
    }


def distinct_networks(generators: Mapping[Direction, nn.Module]) -> dict[str, nn.Module]:
    """The networks whose weights make these generators: `a_to_b` and `b_to_a`, or `shared` alone.

    Raises ValueError where conditional generators that should share a network have one each.
    """
    networks = [generator.net for generator in generators.values() if isinstance(generator, Conditioned)]
    if not networks:
        return {str(direction): generator for direction, generator in generators.items()}
    if len(networks) < len(generators) or any(network is not networks[0] for network in networks):
        raise ValueError("the directions of a conditional generator must share one network: copy them together")
    return {"shared": networks[0]}


def build_generator(config: TranslationConfig) -> nn.Module:
    """One new network as the config describes it. Raises TranslationError for a name or argument that is unknown."""
    if config.generator not in GENERATORS:
        raise TranslationError(
            f"config.json: generator {config.generator!r} is unknown; known are {', '.join(GENERATORS)}"
        )
    check_arguments(config.generator_arguments)
    build = GENERATORS[config.generator]
    try:
        with torch.device("meta"):  # sizes are looked at before memory is taken
            count = sum(p.numel() for p in build(**config.generator_arguments).parameters())
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TranslationError(f"config.json: the generator's arguments are wrong: {error}") from error
    if count > LARGEST_GENERATOR:
        raise TranslationError(f"config.json: a generator of {count:,} parameters is over {LARGEST_GENERATOR:,}")
    generator = build(**config.generator_arguments)
    multiple, smallest = getattr(generator, "multiple", 1), getattr(generator, "smallest", 1)
    if config.crop is not None and (config.crop.size % multiple or config.crop.size < smallest):
        raise TranslationError(
            f"config.json: crop size {config.crop.size} is not a multiple of {multiple} of at least {smallest}"
        )
    return generator


def _read_config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > 1_000_000:
            raise TranslationError(f"{path.name} is over 1 MB: it is not the config of a translation")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TranslationError(f"{path.parent.name} holds no {path.name}: it is not a translation") from error
    except OSError as error:
        raise TranslationError(f"{path.name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TranslationError(f"{path.name} cannot be read: {error}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise TranslationError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise TranslationError(f"{path.name} must hold a JSON object, not {type(content).__name__}")
    return content


def _load_weights(path: Path, networks: Mapping[str, nn.Module]) -> None:
    """Fills the networks from a safetensors file, after every key, shape and type has been checked."""
    expected = {
        f"{name}.{key}": value for name, network in networks.items() for key, value in network.state_dict().items()
    }
    try:
        with safe_open(path, framework="pt") as file:
            present = set(file.keys())
            for problem, keys in (("lacks", expected.keys() - present), ("has an unknown", present - expected.keys())):
                if keys:
                    raise TranslationError(f"{path.name} {problem} tensor {min(keys)} ({len(keys)} such in all)")
            for key, value in expected.items():
                shape = file.get_slice(key).get_shape()
                if list(shape) != list(value.shape):
                    raise TranslationError(f"{path.name}: {key} has shape {list(shape)}, not {list(value.shape)}")
                tensor = file.get_tensor(key)
                if tensor.is_floating_point() != value.is_floating_point() or tensor.is_complex():
                    raise TranslationError(f"{path.name}: {key} holds {tensor.dtype} numbers")
                if not torch.isfinite(tensor.float()).all():
                    raise TranslationError(f"{path.name}: {key} holds numbers that are not finite")
                value.copy_(tensor)
    except FileNotFoundError as error:
        raise TranslationError(f"{path.parent.name} holds no {path.name}: it has no weights") from error
    except OSError as error:
        raise TranslationError(f"{path.name} cannot be read: {error.strerror or 'no access'}") from error
    except SafetensorError as error:
        raise TranslationError(f"{path.name} is damaged or cut off ({error}); download or save it again") from error
