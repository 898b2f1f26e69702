"""The API: named endpoints that return plain pictures and JSON. MCP clients see the same endpoints as tools."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import gradio as gr

import cyclegan_core
from cyclegan_core import images
from cyclegan_core.errors import CycleganError, PictureError
from cyclegan_core.inference.composition import read_strength
from cyclegan_core.inference.descriptions import NO_FACE, describe
from demo.context import TRANSLATOR_QUEUE, PageContext
from demo.errors import visitor_errors
from demo.pictures import Photo, PhotoInput, generate, result_suffix
from demo.server.files import FILE_LIFETIME_SECONDS
from demo.server.gradio_patches import upload_folder
from demo.tabs.gallery.contact_sheet import COLUMNS, contact_sheet

if TYPE_CHECKING:
    from cyclegan_core.faces.face import Face

TILE = 256  # side of a face on the sheet, in pixels


class SentPicture(PhotoInput):
    """A PhotoInput that also takes the web address of a file that was uploaded to this page, as MCP clients send it."""

    async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
        _, uploaded, path = str(url_or_file_path).partition("/gradio_api/file=")
        folder = upload_folder()
        # Only the path counts, whatever host the address names: nothing is fetched.
        if uploaded and (file := (folder / unquote(path)).resolve()).is_relative_to(folder):
            return str(file)
        return await super().async_move_resource_to_block_cache(url_or_file_path)


class Endpoints:
    """The functions behind the endpoints. Their docstrings are the documentation that API and MCP clients see."""

    def __init__(self, context: PageContext) -> None:
        self._context = context

    def translate(
        self, image: Photo | None, direction: str = "to_female", strength: float = 1.0, faces: str = "all"
    ) -> tuple[str, dict[str, Any]]:
        """Translates the faces of a picture: shows them as another gender, at another age, as anime characters.

        A direction that /info lists with "takes": "picture" translates all of the picture instead, and needs no face.

        Args:
            image: a picture file (JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF) of at most 64 MiB.
            direction: one that /info lists, such as to_female or gender:to_female, or up to four as in older+to_anime.
            strength: from 0, the picture as it is, over 1, the full translation, to 1.5, more of it.
            faces: all, largest, or numbers such as 1,3, counted from the left as /detect does.

        Returns:
            the whole picture in its own size, PNG where a PNG or transparency came in and JPEG otherwise, marked as \
AI-altered
            JSON with every face found (as of /detect), the numbers of those translated, and the steps taken
        """
        with visitor_errors():
            photo, strength = _sent(image), read_strength(strength)
            studio = self._context.studio()
            chain = studio.chain(direction or "")
            if not chain:
                raise CycleganError("Name a direction, such as to_female; /info lists them.")
            whole = studio.needs_no_face(chain)
            picture = photo.picture.pixels
            found = [] if whole else studio.find_faces(picture)
            chosen = _choose(faces or "all", found)
            chains = [chain] * len(chosen) or [chain]
            layers = generate(studio, picture, [found[i] for i in chosen], chains)
            result = studio.blend(picture, layers, strength)
            altered = strength > 0 and any(layers)
            directions = "-".join(re.sub(r"\W+|_", "-", step.direction) for step in chain)
            name = f"{photo.file.stem[:60]}-{directions[:60]}{result_suffix(photo.picture, photo.file)}"
            made_by = describe(chain) if altered else None
            file = self._context.files.write(result.picture, name, made_by=made_by, alpha=photo.picture.alpha)
            return file, {
                "faces": _described(found),
                "translated": [i + 1 for i in chosen],
                "whole_picture": whole,
                "steps": [str(step) for step in chain],
                "strength": strength,
                "message": " ".join((*photo.picture.notes, *([] if whole or found else [NO_FACE]))),
            }

    def detect(self, image: Photo | None) -> dict[str, Any]:
        """Finds the faces of a picture that can be translated. Says where they are, not whose they are.

        Args:
            image: a picture file (JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF) of at most 64 MiB.

        Returns:
            JSON with the faces from left to right, in pixels: number (from 1), box (left, top, right, bottom), score \
(0 to 1) and five landmarks (x, y: eyes, nose, corners of the mouth); the picture's upright size, and the detector
        """
        with visitor_errors():
            picture = _sent(image).picture.pixels
            studio = self._context.studio()
            height, width = picture.shape[:2]
            faces = _described(studio.find_faces(picture))
            return {"faces": faces, "width": width, "height": height, "detector": studio.detector.name}

    def compare(self, image: Photo | None, face: int = 0, strength: float = 1.0) -> tuple[str, dict[str, Any]]:
        """Shows one face in every direction on offer, side by side on one labelled sheet.

        Args:
            image: a picture file (JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF) of at most 64 MiB.
            face: its number, counted from the left as /detect does, or 0 for the largest.
            strength: from 0, the picture as it is, over 1, the full translation, to 1.5, more of it.

        Returns:
            the sheet, a JPEG marked as AI-altered: the original first, then the directions, row by row
            JSON with the order of the sheet, its columns, and the number of the face
        """
        with visitor_errors():
            picture, strength = _sent(image).picture.pixels, read_strength(strength)
            studio = self._context.studio()
            found = studio.find_faces(picture)
            if not found:
                raise PictureError(NO_FACE)
            (index,) = _choose(str(face) if face else "largest", found)
            offered = [(words, studio.chain(text)) for words, text in self._context.choices()]
            offered = [(words, chain) for words, chain in offered if not studio.needs_no_face(chain)]
            chains = [chain for _, chain in offered]
            layers = studio.generate(picture, [found[index]] * len(chains), chains)
            from demo.tabs.photo.photo_state import draw_face  # brings PyTorch, which the page does not wait for

            made = [draw_face(picture, found[index], items, strength, TILE) for items in ((), *layers)]
            names = ["Original", *(words for words, _ in offered)]
            made_by = describe(*chains) if strength > 0 and chains else None
            sheet = contact_sheet(list(zip(names, made, strict=True)))
            file = self._context.files.write(sheet, "comparison.jpg", made_by=made_by)
            order = ["original", *(str(step) for (step,) in chains)]
            return file, {"order": order, "columns": min(COLUMNS, len(order)), "face": index + 1, "strength": strength}

    def info(self) -> dict[str, Any]:
        """Says what is on offer: the translations and their directions, the versions at work, and the limits.

        Returns:
            JSON with the translations (name, title, directions with their words, whether they take faces or the whole \
picture, source, revision, state, engine, licence of the data, quality), the face detector, versions and limits
        """
        with visitor_errors():
            registry, studio = self._context.registry, self._context.studio()
            from cyclegan_core.cli.info import PACKAGES  # these two bring PyTorch, which the page does not wait for
            from cyclegan_core.inference.studio import LONGEST_CHAIN

            versions = {"cyclegan_core": cyclegan_core.__version__}
            for package in PACKAGES:
                with suppress(metadata.PackageNotFoundError):
                    versions[package] = metadata.version(package)
            return {
                "translations": [
                    {
                        "name": status.entry,
                        "title": status.title,
                        "about": status.about,
                        "directions": status.labels,
                        "takes": None if not status.config else "faces" if status.config.crop else "picture",
                        "source": status.source,
                        "revision": status.revision,
                        "state": status.state,
                        "sentence": status.sentence,
                        "engine": status.engine,
                        "licence": status.config and status.config.data_licence,
                        "quality": status.config and status.config.training.get("quality"),
                    }
                    for status in registry.statuses()
                ],
                "detector": {"name": studio.detector.name, "sentence": registry.detector_status()},
                "versions": versions,
                "limits": {
                    "file_bytes": images.MAX_FILE_BYTES,
                    "pixels": images.MAX_PIXELS,
                    "smallest_side": images.MIN_SIDE,
                    "directions_in_a_chain": LONGEST_CHAIN,
                    "seconds_that_files_are_kept": FILE_LIFETIME_SECONDS,
                },
            }


def add_api(context: PageContext) -> None:
    """Adds the endpoints to the page that is being built: listed under "Use via API", with no visible part."""
    endpoints = Endpoints(context)
    with gr.Column(visible=False):
        image = SentPicture(label="image")
        image.read = context.read_photo
        direction = gr.Textbox("to_female", label="direction", max_length=400)
        strength = gr.Number(1.0, label="strength")
        faces = gr.Textbox("all", label="faces", max_length=400)
        face = gr.Number(0, precision=0, label="face")
        picture, found = gr.Image(label="picture"), gr.JSON(label="details")

        def offer(fn: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any], **turns: Any) -> None:
            gr.Button().click(fn, inputs, outputs, api_name=fn.__name__, **turns)

        offer(endpoints.translate, [image, direction, strength, faces], [picture, found], **TRANSLATOR_QUEUE)
        offer(endpoints.detect, [image], [found], **TRANSLATOR_QUEUE)
        offer(endpoints.compare, [image, face, strength], [picture, found], **TRANSLATOR_QUEUE)
        offer(endpoints.info, [], [found], concurrency_limit=4)


def _sent(image: Photo | None) -> Photo:
    if image is None:
        raise PictureError("Send a picture.")
    return image


def _choose(text: str, found: "Sequence[Face]") -> list[int]:
    """Turns `text` (all, largest, or numbers from 1) into indices of faces. Raises CycleganError for anything else."""
    words = text.strip().lower()
    if words == "all" or (not found and words == "largest"):
        return list(range(len(found)))
    if words == "largest":
        return [max(range(len(found)), key=lambda i: found[i].width * found[i].height)]
    numbers = re.split(r"[\s,]+", words)
    if not all(re.fullmatch(r"[0-9]{1,4}", number) for number in numbers):
        raise CycleganError("faces must be all, largest, or numbers such as 1,3, counted from the left")
    chosen = sorted({int(number) - 1 for number in numbers})
    for index in chosen:
        if not 0 <= index < len(found):
            raise CycleganError(f"there is no face {index + 1}: the picture has {len(found)}, numbered from 1")
    return chosen


def _described(faces: "Sequence[Face]") -> list[dict[str, Any]]:
    return [
        {
            "number": number,
            "box": [round(float(side), 1) for side in face.box],
            "score": round(float(face.score), 4),
            "landmarks": [[round(float(value), 1) for value in point] for point in face.landmarks],
        }
        for number, face in enumerate(faces, 1)
    ]
