"""Code by what it computes: hashed without what is only read by people, and the table of which core code decides what.

What is hashed of a Python file is its syntax tree, without comments, formatting, docstrings and other statements that
are a mere constant. It is written out here and not by `ast.dump`, whose text changes from one Python to the next; what
the tree leaves empty is left out, so that fields which a newer Python adds change nothing. Of code that 3.11 can read
every Python from 3.11 on gives the same hash.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import warnings
from collections.abc import Mapping
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
"""The folder `harness` whose code is hashed."""

_IMAGES = ("data.benchmark", "data.images", "data.imageset", "data.mapped", "data.png")
_VIDEOS = (
    *("data.benchmark", "data.folder", "data.framecache", "data.holdings", "data.images", "data.manifest"),
    *("data.numbered", "data.picture", "data.png", "data.shots", "data.times", "data.video"),
)

TABLE: Mapping[str, tuple[str, ...]] = {
    # the weights that a training ends with, but for what arms and data bring themselves, and for label maps
    "training": (
        *("arm", "distributed"),
        *("data.augment", "data.benchmark", "data.known", "data.loader", "data.mixture", "data.order"),
        *("model.blocks", "model.compose", "model.contracts", "model.correlation", "model.deterministic"),
        *("model.flows", "model.losses", "model.regions", "model.splatting", "model.warping"),
        *("train.checkpoint", "train.engine", "train.freeze", "train.loop", "train.recipe", "train.step"),
        *("weights.content", "weights.fit", "weights.groups", "weights.read"),
    ),
    # the rows of given weights on given frames, of any benchmark; label maps are in each row's key
    "rows": (
        *("arm", "data.known", "registry.protocol"),
        *("evaluate.given", "evaluate.protocol", "evaluate.regions", "evaluate.runner", "evaluate.whole"),
        *("metrics.epe", "metrics.lpips", "metrics.motion"),
        *("metrics.pixelwise", "metrics.regional", "metrics.ssim"),
        *("model.blocks", "model.compose", "model.contracts", "model.correlation", "model.deterministic"),
        *("model.flows", "model.padding", "model.regions", "model.splatting", "model.warping"),
        *("weights.content", "weights.fit", "weights.groups", "weights.read"),
    ),
    # the rows of frames of which the middle alone is tested
    "crop": ("data.cropped",),
    # the triplets and frames that networks of four inputs are trained and tested on
    "around": ("data.around", "data.beside"),
    # label maps, whatever source they come from
    "masks": ("masks.cache", "masks.parts", "masks.pipeline", "masks.png", "masks.rules", "masks.source"),
    # what a baseline starts from; their sha256 is in every fingerprint, so this decides only when they are drawn anew
    "initial weights": ("arm", "model.blocks", "model.contracts"),
    # the pictures of a finished pair
    "figures": (
        *("report.curves", "report.exhibit", "report.flow_picture", "report.gallery", "report.gallery_page"),
        *("report.picture", "statistics.estimate"),
    ),
    # what the core brings by the hooks that are everybody's, by the module of the factory: all that decides it beyond
    # the lines above. Of a benchmark, its triplets and frames
    "controls.null": ("controls.null",),
    "controls.widen": ("controls.widen",),
    "data.sets.clips": ("data.sets.clips", *_VIDEOS),
    "data.sets.eightfold": ("data.sets.eightfold", *_IMAGES),
    "data.sets.layers": (
        "data.benchmark",
        "data.images",
        "data.png",
        "data.scene",
        "data.sets.layers",
        "data.textures",
        "data.truth",
    ),
    "data.sets.middlebury": ("data.sets.middlebury", *_IMAGES),
    "data.sets.snu_film": ("data.sets.snu_film", *_IMAGES),
    "data.sets.ucf101": ("data.sets.ucf101", *_IMAGES),
    "data.sets.vimeo90k": ("data.sets.vimeo90k", *_IMAGES),
    "data.sets.vimeo90k_septuplet": ("data.sets.vimeo90k_septuplet", *_IMAGES),
    "data.sets.x4k1000fps": ("data.sets.x4k1000fps", *_IMAGES),
    "data.sets.xiph": ("data.sets.xiph", *_IMAGES),
    "masks.pipeline": (),  # as `masks.source`, of the masks that are one line above
    "masks.precomputed": ("masks.precomputed",),
    "masks.source": (),
    # a benchmark of somebody else's may read its frames by any of these
    "other benchmarks": tuple(sorted({*_IMAGES, *_VIDEOS})),
}
"""Which core code decides what, as modules of `harness`. Nothing else of the core is in any fingerprint or key."""


_SAID_ELSEWHERE = {"ctx", "kind", "type_comment", "type_ignores"}  # by other fields, or to type checkers alone


def core(what: str) -> dict[str, str]:
    """The hash of each module that decides `what`, a line of TABLE, by its name."""
    return dict(_of_modules(TABLE[what], PACKAGE))


def core_of(module: str) -> dict[str, str]:
    """The same of what a factory of the core in `module`, `harness.data.sets.clips`, builds."""
    name = module.removeprefix("harness.")
    return dict(_of_modules(TABLE.get(name, (name,)), PACKAGE))


def of_files(files: Mapping[str, Path]) -> str:
    """sha256 over names and contents: Python by what it computes, all else by its bytes. Raises OSError."""
    lines = [f"{name} {of_file(path)}\n" for name, path in sorted(files.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def of_file(path: Path) -> str:
    """sha256 of a file, likewise."""
    content = path.read_bytes()
    return of_source(content) if path.suffix == ".py" else hashlib.sha256(content).hexdigest()


@functools.cache
def of_source(source: bytes) -> str:
    """sha256 of what Python code computes; of text that Python cannot read, of its bytes."""
    written: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python warns of wherever it reads the file
            _write(ast.parse(source), written)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return hashlib.sha256(source).hexdigest()
    return hashlib.sha256("\0".join(written).encode()).hexdigest()


def _write(node: ast.AST, into: list[str]) -> None:
    into.append(node.__class__.__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in _SAID_ELSEWHERE:
            continue
        into.append(name)
        if isinstance(value, ast.AST):
            _write(value, into)
        elif isinstance(value, list):
            for each in value:
                if isinstance(each, ast.AST) and not _computes_nothing(each):
                    _write(each, into)
                elif not isinstance(each, ast.AST):  # a name, or None where a dict is unpacked in another
                    into.append(ascii(each))
            into.append("]")
        else:
            into.append(ascii(value))
    into.append(")")


def _computes_nothing(node: ast.AST) -> bool:
    """A docstring, be it of a constant; `pass` and `...`, which stand where a docstring is all there is; which contract
    an adapter was written for."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
        return all(isinstance(target, ast.Name) and target.id == "HARNESS_CONTRACT" for target in node.targets)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


@functools.cache
def _of_modules(names: tuple[str, ...], package: Path) -> dict[str, str]:
    """By full name; a package by its `__init__`."""
    found = {}
    for name in names:
        path = package.joinpath(*name.split("."))
        found[f"harness.{name}"] = of_file(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))
    return found
