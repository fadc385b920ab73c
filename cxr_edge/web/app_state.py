"""What stands behind the pages: models, films, lanes. Nothing here knows of HTML; app.py makes answers of it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME
from cxr_edge.errors import DataError, RequestRefusedError, UsageError
from cxr_edge.system import files
from cxr_edge.web.http.admission import Admission
from cxr_edge.web.listing import BundleRow, FilmList, ModelList, ModelRow
from cxr_edge.web.models import catalog, figures
from cxr_edge.web.models.catalog import Catalog, Entry, Model
from cxr_edge.web.models.figures import Figures
from cxr_edge.web.models.measuring import Measurements, draw_test_films
from cxr_edge.web.models.model_pool import Runners
from cxr_edge.web.models.uploads import Uploads
from cxr_edge.web.options import ServeOptions
from cxr_edge.web.results import Answer, Decoded, Result, compare, decode
from cxr_edge.web.samples import Folder, OfferedFilm, Samples, find_film
from cxr_edge.web.work_queue import Lane

__all__ = ["Site"]


class Site:
    """The application's state, from start to close."""

    def __init__(self, options: ServeOptions) -> None:
        limits = options.limits
        self.options = options
        self.runners = Runners()
        self.uploads = _open_uploads(options.uploads, self.runners)
        uploaded = list(self.uploads.list()) if self.uploads else []
        found = catalog.find_bundles(options.build, options.models, [entry.key for entry in uploaded])
        self.catalog = Catalog([*found, *uploaded])
        places = [options.build, *_places_of_results(options.models)]
        self.bench_figures = figures.find_bench_figures(places)
        self.samples = Samples()
        self.folder = _open_folder(options.films)
        self.admission = Admission(limits)
        self.films_lane = Lane("films", workers=limits.workers, waiting=limits.requests)
        self.thumbnails_lane = Lane("thumbnails", workers=1, waiting=64)
        # One at a time, and few that wait, so that a model which hangs holds up only those like it.
        self.sandbox_lane = Lane("sandbox", workers=1, waiting=4)
        self.measurements = Measurements(self.runners, lambda: not self.admission.requests)

    def start(self) -> None:
        """Begin to measure what has no figures yet."""
        self.measurements.start([entry for entry in self.catalog.entries if entry.origin != catalog.UPLOADED])

    def stop(self) -> None:
        """Wait for no stranger's model any longer. For the event loop, before the requests at hand are waited for."""
        self.sandbox_lane.stop()
        self.runners.stop()

    def close(self) -> None:
        """Stop the threads."""
        for lane in (self.films_lane, self.thumbnails_lane, self.sandbox_lane):
            lane.close()
        self.measurements.close()
        self.runners.close()

    def find_models(self, keys: Sequence[str]) -> list[Model]:
        """Return the models of a request, each once. Raises RequestRefusedError (400, 404)."""
        wanted = list(dict.fromkeys(keys))
        most = self.options.limits.models
        if not 1 <= len(wanted) <= most:
            raise RequestRefusedError(400, f"{len(wanted)} models: name 1 to {most}, each as model=KEY of /api/models")
        return [self.catalog.find(key) for key in wanted]

    def find_film(self, key: str) -> OfferedFilm:
        """Return an offered film. Raises RequestRefusedError (404)."""
        return find_film(key, self.samples, self.folder)

    async def read_offered(self, key: str) -> tuple[OfferedFilm, bytes]:
        """Return an offered film and its content. Raises what finding and reading it raises."""
        film = self.find_film(key)
        return film, await self.thumbnails_lane.run(film.content)

    async def classify(self, content: bytes, name: str, models: Sequence[Model]) -> Result:
        """Return what the models say of a film. Raises RequestRefusedError (503), ImageError, UnsafeFileError."""

        def work() -> tuple[Decoded, dict[str, Answer]]:
            decoded = decode(content, name)
            return decoded, self._answer_all([model for model in models if model.trusted], decoded, name)

        decoded, answers = await self.films_lane.run(work)
        strangers = [model for model in models if not model.trusted]
        if strangers:
            answers |= await self.sandbox_lane.run(lambda: self._answer_all(strangers, decoded, name))
        ordered = tuple(answers[model.key] for model in models)
        return Result(name, decoded, ordered, compare(ordered))

    async def classify_offered(self, key: str, models: Sequence[Model]) -> Result:
        """Return what the models say of an offered film. Raises what `classify` and `read_offered` raise."""
        film, content = await self.read_offered(key)
        result = await self.classify(content, film.name, models)
        return dataclasses.replace(result, truth=film.truth, kind=film.kind)

    async def upload(self, content: bytes, name: str, form: Mapping[str, str]) -> Entry:
        """Check, try, store and list a model. Raises CxrEdgeError with what is wrong with it."""
        uploads = self.require_uploads()
        taken = [entry.key for entry in self.catalog.entries]
        entry = await self.sandbox_lane.run(lambda: uploads.accept(content, name, form, taken))
        self.catalog.add(entry)
        return entry

    async def remove(self, key: str) -> None:
        """Remove an uploaded bundle. Raises RequestRefusedError (403, 404)."""
        uploads, entry = self.require_uploads(), self.catalog.find_entry(key)
        if entry.origin != catalog.UPLOADED:
            raise RequestRefusedError(403, f"{key}: was not uploaded here; remove its folder yourself")
        self.catalog.remove(key)
        await asyncio.to_thread(uploads.remove, entry)

    def require_uploads(self) -> Uploads:
        """Return where uploads are kept. Raises RequestRefusedError (403) where there are none."""
        if self.uploads is None:
            raise RequestRefusedError(403, "uploading models is off; start 'cxr-edge serve' with --allow-upload")
        return self.uploads

    def list_models(self) -> ModelList:
        """Return every bundle and model with its figures."""
        return ModelList(tuple(self._list_entry(entry) for entry in self.catalog.entries))

    def list_films(self) -> FilmList:
        """Return the offered films; looks through the folder."""
        if self.folder is None:
            return FilmList(self.samples.films)
        name = self.folder.folder.name
        try:
            listed, more = self.folder.list()
        except DataError as error:
            # It was there at the start; whoever emptied it may fill it again.
            return FilmList(self.samples.films, folder_name=name, fault=str(error))
        return FilmList(self.samples.films, listed, name, more)

    def _list_entry(self, entry: Entry) -> BundleRow:
        rows = (
            ModelRow(model, self._find_figures(model), self.measurements.is_pending(model.key))
            for model in entry.models
        )
        return BundleRow(entry, tuple(rows))

    def _find_figures(self, model: Model) -> tuple[Figures, ...]:
        uploaded = self.uploads.figures.get(model.key) if self.uploads else None
        found = (self.bench_figures.get(model.artifact.sha256), uploaded or self.measurements.find(model.key))
        return tuple(item for item in found if item is not None)

    def _answer_all(self, models: Sequence[Model], decoded: Decoded, name: str) -> dict[str, Answer]:
        film, decode_ms = decoded.film, decoded.decode_ms
        return {model.key: Answer(model, self.runners.answer(model, film, name, decode_ms)) for model in models}


def _open_uploads(folder: Path | None, runners: Runners) -> Uploads | None:
    return None if folder is None else Uploads(files.prepare_folder(folder), runners, draw_test_films)


def _open_folder(path: Path | None) -> Folder | None:
    if path is None:
        return None
    if not path.is_dir():
        raise UsageError(f"{path}: is no folder; give the folder that holds the films")
    folder = Folder(path)
    folder.list()
    return folder


def _places_of_results(models: Path | None) -> list[Path]:
    """Return the folders whose bench results are of `models`: a result lies beside its bundle."""
    if models is None:
        return []
    alone = models.is_file() or (models / MANIFEST_NAME).is_file()
    return [models, models.parent] if alone else [models]
