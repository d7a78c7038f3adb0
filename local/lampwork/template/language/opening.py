import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lampwork.template.language.circles import check_circles
from lampwork.template.language.identity import Place
from lampwork.template.language.intrinsics import Neighbours, Nested, Resolver
from lampwork.template.language.loops import with_loops_written_out
from lampwork.template.language.parameters import parameter_values, without_value
from lampwork.template.language.transform import transform
from lampwork.template.source.document import Document, read_document
from lampwork.template.source.event_routes import check_routes
from lampwork.template.source.spelling import check_spelling


@dataclass(frozen=True, slots=True)
class Opener:
    """Turns a template as it is written into a resolver for its resources, and does the same for a
    nested template when its resources are read.

    `imports` are what other stacks export and store, `around` the templates that contain this one.
    """

    place: Place
    imports: Neighbours
    cache_dir: Path
    around: tuple[Path, ...] = ()

    def open(self, document: Document, parameters: Mapping[str, str]) -> Resolver:
        """
        Raises:
            TemplateError: AWS would refuse the template or a parameter; says where and why.
        """
        values = parameter_values(document, parameters)
        as_written = Resolver(document, document.content, values, self.place, self.imports)
        document = with_loops_written_out(document, as_written)
        check_spelling(document)
        check_routes(document)
        transformed = transform(
            document,
            resolve=as_written.resolve,
            parameters=values,
            region=self.place.region,
            cache_dir=self.cache_dir,
        )
        open_nested = partial(self._open_nested, document)
        resolver = Resolver(document, transformed, values, self.place, self.imports, open_nested)
        check_circles(resolver)
        return resolver

    def _open_nested(self, document: Document, nested: Nested) -> Resolver:
        path = Path(os.path.normpath(document.path.parent / nested.file))
        opener = replace(
            self,
            place=self.place.of_nested(nested.logical_id),
            around=(*self.around, document.path.resolve()),
        )
        if not path.is_file():
            raise document.error(
                nested.logical_id,
                f"the template of {nested.logical_id} should be the file {path}, which does not"
                f" exist; correct its {nested.property}.",
                nested.property,
            )
        if path.resolve() in opener.around:
            problem = f"{nested.logical_id} nests the template {path} in itself."
            raise document.error(nested.logical_id, problem, nested.property)
        inner = read_document(path)
        if wrong := _wrong_parameters(inner, nested.parameters):
            problem = f"{nested.logical_id} {wrong}; correct its Parameters."
            raise document.error(nested.logical_id, problem, "Parameters")
        return opener.open(inner, nested.parameters)


def _wrong_parameters(inner: Document, given: Mapping[str, str]) -> str | None:
    if unknown := sorted(given.keys() - inner.content["Parameters"].keys()):
        return f"gives its template {', '.join(unknown)}, which is not a parameter there"
    if missing := without_value(inner, given):
        return f"gives its template no value for {', '.join(missing)}"
    return None
