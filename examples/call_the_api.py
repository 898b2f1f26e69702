r"""Sends a photo to a page that is running, here or on a Space, and keeps what comes back.

    python examples/call_the_api.py photo.jpg translated.jpg --page http://127.0.0.1:7860
    python examples/call_the_api.py photo.jpg translated.jpg --page someone/a-space --direction older+to_anime

The same by curl, step by step: upload the photo, ask for it to be translated, wait for the answer, fetch the result.

    PAGE=http://127.0.0.1:7860
    SENT=$(curl -s "$PAGE/gradio_api/upload" -F "files=@photo.jpg" | cut -d '"' -f 2)
    DATA="{\"data\": [{\"path\": \"$SENT\", \"meta\": {\"_type\": \"gradio.FileData\"}}, \"to_female\", 1.0, \"all\"]}"
    EVENT=$(curl -s "$PAGE/gradio_api/call/translate" -H "Content-Type: application/json" -d "$DATA" | cut -d '"' -f 4)
    curl -s -N "$PAGE/gradio_api/call/translate/$EVENT" | tee answer.txt
    curl -s -o translated.jpg "$(grep -o '"url": "[^"]*"' answer.txt | head -n 1 | cut -d '"' -f 4)"
"""

import argparse
import shutil
import sys
from pathlib import Path

from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--page", default="http://127.0.0.1:7860", help="the page's address, or a Space's owner/name")
    parser.add_argument("--direction", default="to_female", help="one that /info lists, or several: older+to_anime")
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--faces", default="all", help="all, largest, or numbers such as 1,3, from the left")
    args = parser.parse_args()

    client = Client(args.page, verbose=False)
    offered = client.predict(api_name="/info")["translations"]
    print("on offer:", ", ".join(f"{about['name']}:{name}" for about in offered for name in about["directions"]))
    picture, details = client.predict(
        image=handle_file(args.photo),
        direction=args.direction,
        strength=args.strength,
        faces=args.faces,
        api_name="/translate",
    )
    shutil.copyfile(picture, args.output)
    count = len(details["faces"])
    print(f"{count} face{'' if count == 1 else 's'}, {len(details['translated'])} translated: {args.output}")


if __name__ == "__main__":
    try:
        main()
    except (AppError, OSError, ValueError) as error:
        sys.exit(str(error))
