"""Files beside the pages of the report: sounds, pictures and frames that notebooks hold within their outputs, each once."""

import base64
import dataclasses
import hashlib
import html
import re
from pathlib import Path

ENDINGS = {"audio/flac": ".flac", "audio/mpeg": ".mp3", "audio/wav": ".wav", "image/png": ".png", "image/jpeg": ".jpg"}
EMBEDDED = re.compile(r'"data:(audio/[a-z0-9]+|image/(?:png|jpeg));base64,([A-Za-z0-9+/=\s]+)"')
FRAME = re.compile(r'srcdoc="([^"]*)"')
FIGURE = re.compile(r"""setup\.show\(.*?f?"([^"]+)"\)$""", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Media:
    """A folder of files that are named by their content.

    Attributes:
        folder: of the report; files go to `audio/`, `images/` and `frames/` in it.
    """

    folder: Path

    def add(self, content, kind, ending):
        """Writes bytes unless they are there; returns the file's path from the folder, with slashes."""
        path = self.folder / kind / f"{hashlib.sha256(content).hexdigest()[:16]}{ending}"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return path.relative_to(self.folder).as_posix()

    def extract(self, text):
        """Returns HTML whose embedded sounds, pictures and frames are files now."""

        def moved(found):
            kind = "audio" if found[1].startswith("audio") else "images"
            ending = ENDINGS.get(found[1], ".bin")
            return f'"{self.add(base64.b64decode(found[2]), kind, ending)}"'

        def framed(found):
            return (
                f'loading="lazy" title="interactive map" src="{self.add(html.unescape(found[1]).encode(), "frames", ".html")}"'
            )

        return EMBEDDED.sub(moved, FRAME.sub(framed, text))


def unpack(notebook, media, title):
    """Moves what the outputs of a notebook hold into files, in place, and describes each figure.

    Args:
        notebook: by nbformat.
        media: `Media`.
        title: of the notebook; figures are described by it and by the name that `setup.show` gets.
    """
    count = 0
    for cell in notebook.cells:
        names = FIGURE.findall(cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = media.extract(data["text/html"])
            elif "image/png" in data:
                count += 1
                name = names.pop(0).replace("_", " ") if names else f"figure {count}"
                link = media.add(base64.b64decode(data.pop("image/png")), "images", ".png")
                description = html.escape(f"{title} Figure {count}: {name}")
                data["text/html"] = f'<a href="{link}"><img loading="lazy" alt="{description}" src="{link}"></a>'
