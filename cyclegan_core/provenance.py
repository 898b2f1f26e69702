"""What a picture file says of its own making: that software altered it, and which translation."""

from typing import Any
from xml.sax.saxutils import escape

from PIL.Image import Exif
from PIL.PngImagePlugin import PngInfo

# IPTC's word for a photograph that a trained algorithm has altered in part; readers of IPTC metadata look for it.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType="{source}">'
    '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:description>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)
IMAGE_DESCRIPTION, SOFTWARE = 0x010E, 0x0131
PROGRAM = "CycleGAN face translation"


def sentence(made_by: str) -> str:
    """The words that every format carries; `made_by` names the translation, such as `gender: to female`."""
    return f"AI-altered ({made_by})"


def options(form: str, made_by: str) -> dict[str, Any]:
    """Arguments for Pillow's `save` in `jpeg`, `png`, `webp` or `tiff` that write the provenance; none for others."""
    words = sentence(made_by)
    packet = XMP.format(source=SOURCE_TYPE, words=escape(words))
    if form == "png":
        info = PngInfo()
        info.add_itxt("Description", words)
        info.add_text("Software", PROGRAM)
        info.add_itxt("XML:com.adobe.xmp", packet)
        return {"pnginfo": info}
    if form in ("jpeg", "webp", "tiff"):
        exif = Exif()
        exif[IMAGE_DESCRIPTION] = words.encode("ascii", "replace").decode()  # the tag's type is ASCII; XMP has it all
        exif[SOFTWARE] = PROGRAM
        return {"exif": exif} | ({"xmp": packet.encode()} if form != "tiff" else {})
    return {}
