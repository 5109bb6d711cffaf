"""Fingerprints are of what computes: words rename nothing, and arithmetic renames what it touches and nothing else."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.arm import Arm
from harness.evaluate.protocol import protocol_id
from harness.masks.chosen import cache_of
from harness.pair.fingerprint import fingerprint, short
from harness.registry import code
from harness.registry.catalog import catalog
from harness.registry.distribution import contents
from harness.registry.options import parse_choice, parse_choices
from harness.registry.protocol import UNIFIED
from harness.registry.specs import BenchmarkSpec, MaskSourceSpec, PluginSpec
from harness.train.recipe import load_recipe

CPU = torch.device("cpu")


class Tree:
    """A copy of the harness's code, which everything here is named by."""

    def __init__(self, package: Path) -> None:
        self.package = package

    def read(self, module: str) -> str:
        return self.file(module).read_text("utf-8")

    def file(self, module: str) -> Path:
        return self.package / f"{module.replace('.', '/')}.py"

    def names(self, module: str | None = None, text: str = "") -> dict[str, str]:
        """What everything is called; with other text in a module, which is put back."""
        file = self.file(module) if module else None
        before = file.read_text("utf-8") if file and file.exists() else ""
        if file:
            file.write_text(text, "utf-8")
        code._of_modules.cache_clear()
        try:
            return everything()
        finally:
            if file:
                file.write_text(before, "utf-8")
            code._of_modules.cache_clear()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    package = tmp_path / "harness"
    shutil.copytree(code.PACKAGE, package, ignore=lambda folder, names: [n for n in names if not _is_code(folder, n)])
    monkeypatch.setattr(code, "PACKAGE", package)
    code._of_modules.cache_clear()
    yield Tree(package)
    code._of_modules.cache_clear()


def _is_code(folder: str, name: str) -> bool:
    return name.endswith(".py") or (Path(folder, name).is_dir() and name != "__pycache__")


def everything() -> dict[str, str]:
    """The names, or parts of names, of all that the core's code decides: two runs, rows, label maps, initial weights,
    pictures, controls, mask sources, and each benchmark, on which a run trains and is tested."""
    known, recipe = catalog(), load_recipe("smoke")
    masks = known.masks(parse_choice("global"))

    def run(plugins: str) -> str:
        arm = Arm.of(known, parse_choice("ifrnet-s"), parse_choices(plugins))
        return short(fingerprint(arm, recipe, 0, {}, masks if arm.needs_masks else None, "w", CPU))

    return {
        "run": run(""),
        "run with masks": run("hce"),
        "rows": protocol_id(UNIFIED),
        "crop": short(code.core("crop")),
        "around": short(code.core("around")),
        "masks": cache_of(masks).folder.name,
        "initial weights": short(code.core("initial weights")),
        "figures": short(code.core("figures")),
        **{name: short(known.find(PluginSpec, name).code()) for name in ("null", "widen")},
        "precomputed": short(known.find(MaskSourceSpec, "precomputed").code()),
        "other benchmarks": short(code.core("other benchmarks")),
        **{name: short(known.find(BenchmarkSpec, name).code()) for name in BENCHMARKS},
    }


RUNS = {"run", "run with masks"}
MASKED = {"run with masks", "masks"}
EIGHTFOLD = {"gopro", "adobe240"}
XIPH = {"xiph-2k", "xiph-4k"}
LAYERS = {"layers", "layers-fast"}
IMAGES = {"vimeo90k", "vimeo90k-septuplet", "snu-film", "ucf101", "middlebury", "x4k1000fps", *XIPH, *EIGHTFOLD}
BENCHMARKS = {"clips", *LAYERS, *IMAGES}
NETWORK = {*RUNS, "rows"}

TOUCHED: list[tuple[str, str, str, set[str]]] = [
    ("arm", ">> 1", ">> 2", {*NETWORK, "initial weights"}),
    ("distributed", "self.rank :: self.size", "self.rank + 1 :: self.size", RUNS),
    ("data.augment", "_PURPOSE = 1", "_PURPOSE = 2", RUNS),
    ("data.around", "around[:1], three", "around[1:], three", {"around"}),
    ("data.beside", "at * (end - start)", "at + (end - start)", {"around"}),
    ("data.known", "frames[-middle]", "frames[middle]", NETWORK),
    ("data.loader", "dtype=torch.float32", "dtype=torch.float16", RUNS),
    ("data.cropped", "// 2 for", "// 3 for", {"crop"}),
    ("data.mixture", "_PURPOSE = 2", "_PURPOSE = 3", RUNS),
    ("data.order", "self.size // self.batch", "self.size // self.batch - 1", RUNS),
    ("data.benchmark", "t: float = 0.5", "t: float = 0.25", {*RUNS, *BENCHMARKS, "other benchmarks"}),
    ("data.images", "image.shape[1] // 2", "image.shape[1] // 3", {*IMAGES, *LAYERS, "clips", "other benchmarks"}),
    ("data.png", "FILTERS = 5", "FILTERS = 6", {*IMAGES, *LAYERS, "clips", "other benchmarks"}),
    ("data.mapped", "VERSION = 1", "VERSION = 2", {*IMAGES, "other benchmarks"}),
    ("data.imageset", 'level == "train"', 'level != "train"', {*IMAGES, "other benchmarks"}),
    ("data.picture", "LARGE = 540", "LARGE = 720", {"clips", "other benchmarks"}),
    ("data.video", "count % frame_step == 0", "count % frame_step == 1", {"clips", "other benchmarks"}),
    ("data.holdings", "FEWEST and", "FEWEST or", {"clips", "other benchmarks"}),
    ("data.numbered", "FEWEST = 3", "FEWEST = 2", {"clips", "other benchmarks"}),
    ("data.folder", "TEST_EVERY = 5", "TEST_EVERY = 4", {"clips", "other benchmarks"}),
    ("data.manifest", "frame_step: ", "frame_stop: ", {"clips", "other benchmarks"}),
    ("data.framecache", "VERSION = 6", "VERSION = 7", {"clips", "other benchmarks"}),
    ("data.shots", "STILL = 0.5", "STILL = 0.6", {"clips", "other benchmarks"}),
    ("data.times", "Fraction(1, 50)", "Fraction(1, 5)", {"clips", "other benchmarks"}),
    ("data.sets.clips", '"easy": 1', '"easy": 2', {"clips"}),
    ("data.sets.eightfold", "k / 8", "k / 9", EIGHTFOLD),
    ("data.sets.layers", "CORNERS = 64", "CORNERS = 32", LAYERS),
    ("data.scene", "EDGE = 2", "EDGE = 3", LAYERS),
    ("data.textures", "DENSITY = 2", "DENSITY = 3", LAYERS),
    ("data.truth", "flow_t1: ", "flow_t2: ", LAYERS),
    ("data.sets.middlebury", "(0, 1, 2)", "(0, 1, 3)", {"middlebury"}),
    ("data.sets.snu_film", "LEVELS, 310", "LEVELS, 311", {"snu-film"}),
    ("data.sets.ucf101", '"test": 379', '"test": 378', {"ucf101"}),
    ("data.sets.vimeo90k", "(1, 2, 3)", "(1, 2, 4)", {"vimeo90k"}),
    ("data.sets.vimeo90k_septuplet", "(3, 4, 5)", "(2, 4, 6)", {"vimeo90k-septuplet"}),
    ("data.sets.x4k1000fps", "STEP = 4", "STEP = 2", {"x4k1000fps"}),
    ("data.sets.xiph", "FRAMES = 99", "FRAMES = 97", XIPH),
    ("model.blocks", "kernel // 2", "kernel // 3", {*NETWORK, "initial weights"}),
    ("model.contracts", "emitted[0] + given[0]", "emitted[0] - given[0]", {*NETWORK, "initial weights"}),
    ("model.compose", "size[0] * scale", "size[0] / scale", NETWORK),
    ("model.correlation", "0.5**number", "0.4**number", NETWORK),
    ("model.deterministic", "align_corners=True", "align_corners=False", NETWORK),
    ("model.flows", "return -t * motion", "return t * motion", NETWORK),
    ("model.regions", "** -0.5", "** -0.25", NETWORK),
    ("model.splatting", "landed == 0", "landed == 1", NETWORK),
    ("model.warping", "(width - 1, 1)", "(width, 1)", NETWORK),
    ("model.losses", "PRIOR_WEIGHT = 0.1", "PRIOR_WEIGHT = 0.2", RUNS),
    ("model.padding", "columns // 2", "columns // 3", {"rows"}),
    ("train.checkpoint", 'state["pending"]', 'state["pending"][:1]', RUNS),
    ("train.engine", "2.0**10", "2.0**11", RUNS),
    ("train.freeze", "step < recipe", "step <= recipe", RUNS),
    ("train.loop", "* world.size + world.rank", "* world.size - world.rank", RUNS),
    ("train.recipe", "math.cos", "math.sin", RUNS),
    ("train.step", "1 / engine.loss_scale", "2 / engine.loss_scale", RUNS),
    ("weights.content", "st_size - 8", "st_size - 9", NETWORK),
    ("weights.fit", '"n_averaged"', '"averages"', NETWORK),
    ("weights.groups", "DEEPEST = 8", "DEEPEST = 2", NETWORK),
    ("weights.read", "len(meant) == 1", "len(meant) >= 1", NETWORK),
    ("evaluate.given", "of.labels[0]", "of.labels[1]", {"rows"}),
    ("evaluate.protocol", "(1 - t) * frames.img0", "t * frames.img0", {"rows"}),
    ("evaluate.regions", "regional_psnr(frame, truth", "regional_psnr(truth, frame", {"rows"}),
    ("evaluate.runner", "(frame * 255)", "(frame * 256)", {"rows"}),
    ("evaluate.whole", "np.stack(found)", "np.stack(found[1:])", {"rows"}),
    ("registry.protocol", "scale: float = 1.0", "scale: float = 0.5", {"rows"}),
    ("metrics.epe", "(1, 2, 3)) / region", "(1, 2, 3)) * region", {"rows"}),
    ("metrics.lpips", "2 * x - 1", "2 * x", {"rows"}),
    ("metrics.motion", "SHORTER_SIDE = 128", "SHORTER_SIDE = 64", {"rows"}),
    ("metrics.pixelwise", "-10 * torch", "-20 * torch", {"rows"}),
    ("metrics.regional", "total / pixels", "total * pixels", {"rows"}),
    ("metrics.ssim", "WINDOW, SIGMA = 11, 1.5", "WINDOW, SIGMA = 11, 1.6", {"rows"}),
    ("masks.cache", "dtype=np.uint16", "dtype=np.uint8", MASKED),
    ("masks.parts", "own_vocabulary = False", "own_vocabulary = True", MASKED),
    ("masks.pipeline", "count=height * width", "count=width", MASKED),
    ("masks.png", ".reshape(shape)", ".reshape(shape) + 1", MASKED),
    ("masks.rules", "OVERLAP = 10", "OVERLAP = 20", MASKED),
    ("masks.source", "np.zeros(", "np.ones(", MASKED),
    ("masks.precomputed", "shared), each, 0)", "shared), each, 1)", {"precomputed"}),
    ("controls.null", "return features", "return features.refined(features.f1, features.f0)", {"null"}),
    ("controls.widen", "features.f0 + self", "features.f0 - self", {"widen"}),
    ("report.picture", "PAGE = ", "PAGE = 2 * ", {"figures"}),
]


@pytest.mark.parametrize(("module", "old", "new", "touched"), TOUCHED, ids=[edit[0] for edit in TOUCHED])
def test_an_edit_of_arithmetic_renames_what_it_touches(
    tree: Tree, module: str, old: str, new: str, touched: set[str]
) -> None:
    text = tree.read(module)
    assert old in text, "the edit does not fit the code any more: give another one"
    before, after = tree.names(), tree.names(module, text.replace(old, new, 1))
    assert {name for name in before if before[name] != after[name]} == touched


def test_each_module_of_the_table_is_edited_above() -> None:
    in_table = {module for modules in code.TABLE.values() for module in modules}
    seldom = {"report.curves", "report.exhibit", "report.flow_picture", "report.gallery", "report.gallery_page"}
    seldom |= {"statistics.estimate"}  # pictures alone
    assert in_table - seldom == {edit[0] for edit in TOUCHED}


def test_a_control_as_large_as_plug_ins_goes_by_their_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is built as large as these are; of so many parameters, whatever others do."""
    controls = (
        "null",
        "widen:parameters=20000",
        "widen:like=hir",
        "widen:like=hce+hir",
        "widen:like=hce:temporal=false",
    )

    def records() -> dict[str, object]:
        return {words: catalog().choose(PluginSpec, parse_choice(words)).record() for words in ("hce", *controls)}

    def edited(name: str, *of: str) -> str:
        return "other" if name == "vfi-hce" else contents(name, *of)

    before = records()
    monkeypatch.setattr("harness.registry.entry.contents", edited)
    changed = {words for words, record in records().items() if record != before[words]}
    assert changed == {"hce", "widen:like=hce+hir", "widen:like=hce:temporal=false"}
    assert before["widen:like=hce:temporal=false"]["like"][0]["options"]["temporal"] is False  # type: ignore[index]
    assert {words for words in controls if "like" in before[words]} == set(controls[2:])  # type: ignore[operator]


# -- words -----------------------------------------------------------------------------------------------------------


def test_which_contract_an_adapter_is_of_decides_no_number() -> None:
    plain = code.of_source(b"import torch\nWIDTH = 1\n")
    for said in (b"'1.0'", b"'1.1'"):
        assert code.of_source(b"import torch\nHARNESS_CONTRACT = " + said + b"\nWIDTH = 1\n") == plain
    for other in (b"CONTRACT = '1.1'", b"HARNESS_CONTRACT = WIDTH = '1.1'", b"HARNESS_CONTRACT = seed()"):
        assert code.of_source(b"import torch\n" + other + b"\nWIDTH = 1\n") != plain


def commented(text: str) -> str:
    return f"# one word\n{text}\n    # and another\n"


def reworded(text: str) -> str:
    """Other words in every docstring, be it of a module, a class, a function or a constant."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            line, at = lines[node.lineno - 1], lines[node.lineno - 1].index('"""', node.col_offset) + 3
            lines[node.lineno - 1] = f"{line[:at]}In other words: {line[at:]}"
    return "\n".join(lines)


def spaced(text: str) -> str:
    """Two blank lines more before every statement of the module."""
    lines = text.split("\n")
    for node in reversed(ast.parse(text).body):
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        lines[first - 1 : first - 1] = ["", ""]
    return "\n".join(lines)


def reformatted(text: str) -> str:
    """Every statement on one line, with no comma, bracket or quote as it was."""
    return ast.unparse(ast.parse(text))


def with_other_words(text: str) -> str:
    return commented(spaced(reworded(text)))


@pytest.mark.parametrize("edit", [with_other_words, reformatted])
def test_an_edit_of_words_renames_nothing(tree: Tree, edit: Callable[[str], str]) -> None:
    before = tree.names()
    modules = {edit[0] for edit in TOUCHED}
    assert len(modules) >= 30
    for module in modules:
        text = tree.read(module)
        assert edit(text) != text
        assert tree.names(module, edit(text)) == before, module


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a, b)", "f(\n    a,\n    b,\n)"),
        ("x = 'a' 'b'", 'x = "ab"'),
        ("x = (1 + 2) * 3", "x = ((1 + 2) * 3)"),
        ("def f(): ...", 'def f():\n    """Words."""'),
        ("def f():\n    return 1", 'def f():\n    """Words."""\n    return 1'),
        ('X = 1\n"""Words."""', "X = 1"),
        ("class A:\n    x: int  # words", 'class A:\n    """Words."""\n\n    x: int\n    """More."""'),
        ("if a:\n  b()", "if a:\n        b()  # words"),
    ],
)
def test_the_same_code_has_one_hash(one: str, other: str) -> None:
    assert code.of_source(one.encode()) == code.of_source(other.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 1", "x = '1'"),
        ("x = b'a'", "x = 'a'"),
        ("x = a - b", "x = b - a"),
        ("x = a - b", "x = a + b"),
        ("x = -a", "x = ~a"),
        ("x = a, b", "x = [a, b]"),
        ("f(a)", "f(*a)"),
        ("f(a, b=1)", "f(a, 1)"),
        ("def f(a=1): return a", "def f(a, b=1): return a"),
        ("x[1:]", "x[:1]"),
        ("x[::1]", "x[1::]"),
        ("{**a, 1: 2}", "{1: 2, **a}"),
        ("{None: a}", "{**a}"),
        ("f'{x:.3f}'", "f'{x:.2f}'"),
        ("f'{x}'", "f'{x!r}'"),
        ("a = f('words')", "a = f('other words')"),
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("if a:\n    b()\nelse:\n    c()", "if a:\n    b()\nc()"),
        ("for a in b: c()", "async def f():\n    for a in b: c()"),
        ("try:\n    a()\nexcept B:\n    c()", "try:\n    a()\nfinally:\n    c()"),
        ("x = '\\udcff'", "x = '\\udcfe'"),
        ("not Python 1", "not Python 2"),
    ],
)
def test_other_code_has_another_hash(one: str, other: str) -> None:
    assert code.of_source(one.encode()) != code.of_source(other.encode())


def test_every_python_gives_the_same_hash() -> None:
    """Or a run made by one would not be found by another. Found by 3.11, 3.12 and 3.13 alike."""
    sample = b"""
@wrapped(1, *a, k=0.1)
class A(B, metaclass=C):
    x: int = -1
    async def f(self, /, a, *b: T, c=None, **d) -> list[int]:
        '''Words.'''
        match a:
            case {"k": [1, *_], **rest} if (y := x) > 2j: return lambda: (yield)
        with a as b, c: await d
        try: raise E from None
        except* (E, F) as error: del a[1:2, ...]
        return {**d, 1: {2}}, [i async for i in a if not i], f"{x!r:>{w}.3f} {y=} \\u00e9" "\\u2028"
"""
    assert ast.parse(sample)
    assert code.of_source(sample) == "507d0026f6128354b113ab7f459938dc8acc7e27a5b1926c574a1c05a48cc2ad"


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"))))
def test_a_comment_may_say_anything(words: str) -> None:
    assert code.of_source(f"x = 1  # {words}\ny = 2".encode()) == code.of_source(b"x = 1\ny = 2")


def test_code_that_cannot_be_read_goes_by_its_bytes() -> None:
    deep = b"x = " + b"-" * 100_000 + b"1"
    assert code.of_source(deep) != code.of_source(deep + b"  # word")
    assert code.of_source(b"\0") != code.of_source(b"\0\0")


# -- the table -------------------------------------------------------------------------------------------------------

ROOMS = ("arm", "controls", "data", "distributed", "evaluate", "masks", "metrics", "model", "train", "weights")
"""What can make a number: every module here is in the table, or below with the reason why not."""

DECIDES_NOTHING = {
    "arrayfile": "gives an array as it was written, or none",
    "cache": "where things are kept",
    "data.contents": "hashes, which are in the digest",
    "data.frames": "refuses what is no triplet of frames",
    "data.leaks": "refuses clips, or warns of them",
    "data.names": "refuses names",
    "data.prints": "told apart by them are clips, not frames",
    "data.roots": "where a data set is; its content is in the digest",
    "data.truth": "holds what a benchmark gives",
    "data.verify": "looks at files, and gives no frame",
    "errors": "words",
    "evaluate.conformance": "refuses what is no metric",
    "evaluate.plan": "holds what is in the protocol's id and in the names of columns",
    "evaluate.testset": "which triplets are tested, which are named in the record",
    "files": "writes what it is given",
    "masks.build": "asks the source through the cache",
    "masks.chosen": "names the cache",
    "masks.claims": "who works on what",
    "masks.stats": "counts what is there",
    "masks.workers": "who works on what",
    "metrics.given": "holds what a metric is given",
    "model.conformance": "refuses what breaks its contract",
    "model.official": "the code of others, beside which ours is timed",
    "model.torchvision_ops": "makes an import possible",
    "pngfile": "refuses files that are damaged",
    "registry": "what is called how; options are in each record, and what they mean in each factory's code",
    "results": "writes what it is given",
    "train.library": "finds the file of a recipe, whose content is in the record",
    "train.plan": "holds the recipe",
    "train.thin": "takes away what nothing reads",
    "train.diverged": "writes down what was",
    "train.silence": "ends an arm, and changes nothing of one that goes on",
    "train.trail": "writes down what was",
    "weights.digest": "hashes, which are in the records",
    "weights.places": "where weights are; their sha256 is in the records",
    "yamlfile": "reads what is then in the record",
}

ROOTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "training": (
        ("arm", "train.loop", "data.loader"),
        {
            "masks": "in the record of arms that have masks",
            "model.padding": "a training's crops fit the network, or are refused",
        },
    ),
    "rows": (
        (
            *("arm", "evaluate.protocol", "evaluate.runner", "evaluate.regions"),
            *("metrics.epe", "metrics.lpips", "metrics.ssim"),
        ),
        {
            "data": "in the row's `data`",
            "distributed": "who measures what; one triplet is measured by one process",
            "masks": "in the row's `masks` and `regions`",
        },
    ),
    "crop": (
        ("data.cropped",),
        {"data.benchmark": "in the code of the benchmark", "data.truth": "holds what it is given"},
    ),
    "around": (
        ("data.around",),
        {
            "data.benchmark": "in the code of the benchmark",
            "data.images": "the same",
            "data.imageset": "the same",
        },
    ),
    "masks": (("masks.cache", "masks.pipeline", "masks.source"), {}),
    "initial weights": (
        ("arm",),
        {
            "model.compose": "runs what has been drawn",
            "model.deterministic": "the same",
            "model.flows": "the same",
            "model.padding": "the same",
            "model.regions": "the same",
            "model.warping": "the same",
            "weights.read": "reads other weights",
        },
    ),
    **{f"data.sets.{name}": ((f"data.sets.{name}",), {}) for name in (
        "clips", "eightfold", "layers", "middlebury", "snu_film", "ucf101", "vimeo90k", "vimeo90k_septuplet",
        "x4k1000fps", "xiph",
    )},
    "controls.null": (
        ("controls.null",),
        {"model": "in every training and in every row"},
    ),
    "controls.widen": (("controls.widen",), {"model": "in every training and in every row"}),
    "masks.precomputed": (
        ("masks.precomputed",),
        {"masks.png": "in the record of masks", "masks.source": "in the record of masks"},
    ),
}  # fmt: skip


def all_modules() -> dict[str, Path]:
    """Of the harness, by name without `harness.`; a package by its own name."""
    found = {}
    for path in code.PACKAGE.rglob("*.py"):
        parts = path.relative_to(code.PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, modules: dict[str, Path]) -> set[str]:
    """The modules whose code a module uses: through a package's `__init__`, those that it takes its names from."""
    found: set[str] = set()
    for node in _running(ast.parse(modules[module].read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("harness"):
            source = (node.module or "").removeprefix("harness").lstrip(".")
            for alias in node.names:
                found.add(_origin(source, alias.name, modules))
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("harness.") for alias in node.names if alias.name.startswith("harness.")}
    return found


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but for what is there for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _running(node)


def _origin(source: str, name: str, modules: dict[str, Path]) -> str:
    """Where a name of a package or module is made."""
    inner = f"{source}.{name}".lstrip(".")
    if inner in modules:
        return inner
    if modules[source].name == "__init__.py":
        for node in ast.parse(modules[source].read_bytes()).body:
            if isinstance(node, ast.ImportFrom) and any(name in (each.asname, each.name) for each in node.names):
                return _origin((node.module or "").removeprefix("harness").lstrip("."), name, modules)
    return source


def closure(roots: tuple[str, ...], passed_over: dict[str, str], modules: dict[str, Path]) -> set[str]:
    """The roots and all that they import, and so on, but for what is passed over."""
    found: set[str] = set()
    left = list(roots)
    while left:
        module = left.pop()
        nothing = {**DECIDES_NOTHING, **passed_over}
        passed = module not in IN_SPITE and any(module == each or module.startswith(f"{each}.") for each in nothing)
        if module not in found and not passed:
            found.add(module)
            left += imported(module, modules)
    return found


IN_SPITE = {"registry.protocol"}
"""Decides rows, though all else of `registry` decides nothing."""


@pytest.mark.parametrize("what", sorted(ROOTS))
def test_the_table_has_all_that_is_imported(what: str) -> None:
    roots, passed_over = ROOTS[what]
    assert closure(roots, passed_over, all_modules()) - set(code.TABLE[what]) == set()


def test_what_makes_numbers_is_in_the_table_or_known_to_make_none() -> None:
    in_table = {module for modules in code.TABLE.values() for module in modules}
    unknown = {
        module
        for module, path in all_modules().items()
        if module.partition(".")[0] in ROOMS
        and path.name != "__init__.py"
        and module not in in_table
        and module not in DECIDES_NOTHING
    }
    assert unknown == set(), "add them to the table in harness/registry/code.py, or above with the reason why not"


def test_each_factory_of_the_core_has_its_line() -> None:
    known = catalog()
    for kind in (BenchmarkSpec, MaskSourceSpec, PluginSpec):
        for entry in known.entries(kind):
            module = entry.target.factory.partition(":")[0]
            if module.startswith("harness."):
                written = entry.factory().__module__  # a public package stands for it
                assert written.removeprefix("harness.") in code.TABLE, written


def test_a_package_has_no_code_of_its_own() -> None:
    """For only their modules are in the table. It may hand on what one of these does."""
    kinds = (ast.Import, ast.ImportFrom, ast.Expr, ast.Assign, ast.Return)
    for module, path in all_modules().items():
        if path.name == "__init__.py" and module.partition(".")[0] in ROOMS:
            for node in ast.parse(path.read_bytes()).body:
                inside = node.body if isinstance(node, ast.FunctionDef | ast.If) else [node]
                assert all(isinstance(each, kinds) for each in inside), f"{module}: {ast.unparse(node)}"


def test_another_benchmark_renames_nothing(tree: Tree) -> None:
    before = tree.names()
    (tree.package / "data" / "sets" / "davis.py").write_text("from harness.data.imageset import ImageSet\n")
    catalogue = tree.read("registry.benchmarks")
    spec = 'BenchmarkSpec(name="davis", factory="harness.data.sets.davis:Davis", summary="")'
    tree.file("registry.benchmarks").write_text(catalogue.replace("return [", f"return [{spec},", 1))
    builtins = tree.read("registry.builtins").replace("*benchmarks(),", f"*benchmarks(), {spec},")
    assert builtins != tree.read("registry.builtins")
    assert tree.names("registry.builtins", builtins) == before
