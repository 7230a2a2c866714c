"""Training pictures from a folder of files, with their papers beside them.

    data set folder: {"folder": "photos", "licence": "CC-BY-4.0", "attribution": "Mara Lind"}

Papers of a picture, the first that says something wins: its line in `metadata.jsonl` or
`metadata.csv` (column `file_name`, as in Hugging Face's ImageFolder), a `NAME.json` or `NAME.txt`
(caption) beside it, then the settings.  Columns: caption or text, licence or license,
attribution, source, consent, concept; every other column becomes a label.  Without a concept the
name of its folder is taken.  A picture without a licence is excluded.  A `consent.toml` in the
folder (by, date, scope, until) says who allowed what, for every picture that says nothing else.

Do-not-train signals in files, columns and the folder's `tdmrep.json` and `ai.txt` are honoured;
pictures that cannot be opened are excluded with the reason.  Nothing is written, nothing fetched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sdk import (
    DataError,
    Dataset,
    InputImage,
    Item,
    RequestError,
    Settings,
    Watch,
    do_not_train,
    hookimpl,
    reserved,
)

from .consent import read_consent
from .papers import ENDINGS, read_table, sidecar

__all__ = ["Folder", "dataset"]

_WORDS = {
    "caption": ("caption", "text"),
    "licence": ("licence", "license"),
    "attribution": ("attribution", "author", "creator"),
    "source": ("source", "url"),
    "consent": ("consent",),
    "concept": ("concept",),
}


class Folder:
    """Every picture file under a folder, in the order of their paths."""

    name = "folder"

    def __init__(
        self, folder: str, licence: str = "", attribution: str = "", consent: str = ""
    ) -> None:
        self._folder = Path(folder).expanduser()
        self._given = {"licence": licence, "attribution": attribution, "consent": consent}
        self._share = (0, 1)
        if not self._folder.is_dir():
            raise DataError(f"asked for the folder {folder}, found none; check the path")

    def share(self, index: int, count: int) -> Folder:
        """Make a part that yields each `count`-th picture, from `index` on."""
        made = Folder(str(self._folder), **self._given)
        made._share = (index, count)
        return made

    def items(self, watch: Watch) -> Iterator[Item]:
        """Yield every picture, those that must not be used with the reason.

        Raises:
            DataError: the folder holds no picture, or papers or rules that cannot be read.
        """
        paths = sorted(
            path
            for path in self._folder.rglob("*")
            if path.suffix.lower() in ENDINGS
            and not any(part.startswith(".") for part in path.relative_to(self._folder).parts)
        )
        if not paths:
            raise DataError(
                f"asked for pictures in {self._folder}, found none; known endings: "
                f"{' '.join(sorted(ENDINGS))}"
            )
        table = read_table(self._folder)
        if (consent := read_consent(self._folder)) is not None:
            self._given = {**self._given, "consent": self._given["consent"] or consent.text}
        forbids = reserved(self._folder)
        mine = paths[self._share[0] :: self._share[1]]
        for done, path in enumerate(mine):
            watch.step(done, len(mine))
            name = path.relative_to(self._folder).as_posix()
            yield self._item(path, name, {**sidecar(path), **table.get(name, {})}, forbids(name))
        watch.step(len(mine), len(mine))

    def _item(self, path: Path, name: str, row: Mapping[str, str], forbidden: str) -> Item:
        papers = {key: _first(row, words) for key, words in _WORDS.items()}
        papers = {key: value or self._given.get(key, "") for key, value in papers.items()}
        used = {word for words in _WORDS.values() for word in words}
        pixels, why = None, forbidden or do_not_train(b"", row)
        if not why and not papers["licence"].strip():
            why = "no licence"
        if not why:
            try:
                found = InputImage.open(path)
                why = do_not_train(found.data)
                pixels = None if why else found.pixels
            except RequestError as exc:
                why = str(exc).partition(", found ")[2].partition(";")[0] or "cannot be opened"
        folder = path.parent.relative_to(self._folder).name
        return Item(
            id=name,
            pixels=pixels,
            caption=papers["caption"] or papers["concept"] or folder or path.stem,
            concept=papers["concept"] or folder,
            labels={k: v for k, v in row.items() if v and k not in {*used, "file_name"}},
            licence=papers["licence"],
            attribution=papers["attribution"],
            source=papers["source"] or self._folder.resolve().name,
            consent=papers["consent"],
            excluded=why,
        )


def _first(row: Mapping[str, str], words: tuple[str, ...]) -> str:
    return next((row[word] for word in words if row.get(word)), "")


@hookimpl
def dataset(settings: Settings) -> Dataset:
    """Make it; settings: `folder`, and `licence`, `attribution`, `consent` where files say none."""
    return Folder(**settings)  # type: ignore[arg-type]
