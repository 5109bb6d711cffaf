"""Discovery and the catalogue: who provides what, what happens to what is broken, and that hooks are what they say."""

from __future__ import annotations

import ast
import inspect
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import harness
from harness import HarnessError
from harness.registry import hookspecs
from harness.registry.catalog import HOOKS, Catalog, Entry
from harness.registry.options import Choice
from harness.registry.plugins import Origin, Plugins, discover
from harness.registry.specs import BaselineSpec, MaskSourceSpec, PluginSpec, Spec
from harness.train.library import find_recipe, recipe_files, summary

Install = Callable[..., Plugins]
HEAD = "from harness import BaselineSpec, MaskSourceSpec, PluginSpec, hookimpl\n"
KNOWN_HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("harness_"))


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Makes distributions of one module each and discovers what is installed with them."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def install(_entries: str = "{module}", /, **sources: str) -> Plugins:
        for module, source in sources.items():
            (tmp_path / f"{module}.py").write_text(HEAD + source)
            info = tmp_path / f"{module}-0.9.dist-info"
            info.mkdir()
            name = module.replace("_", "-")
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.9\n")
            values = _entries.format(module=module).split()
            lines = [f"entry{number} = {value}" for number, value in enumerate(values)]
            (info / "entry_points.txt").write_text("\n".join(["[harness]", *lines, ""]))
        return discover.__wrapped__()

    yield install
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", "") == str(tmp_path / f"{name}.py"):
            del sys.modules[name]


def names(plugins: Plugins) -> set[tuple[str, str]]:
    """Everything in the catalogue, without `ours-...`."""
    catalog = Catalog(plugins)
    found = {(kind.kind, entry.spec.name) for kind in HOOKS.values() for entry in catalog.entries(kind)}
    return {(kind, name) for kind, name in found if not name.startswith("ours")}


def baseline(name: str, factory: str = "nowhere:Net") -> str:
    return f"@hookimpl\ndef harness_baselines(): return [BaselineSpec({name!r}, {factory!r}, summary='a net')]\n"


def sources(**preferences: int) -> str:
    specs = ", ".join(
        f"MaskSourceSpec('ours-{name}', 'nowhere:Maps', summary='', preference={preference})"
        for name, preference in preferences.items()
    )
    return f"@hookimpl\ndef harness_mask_sources(): return [{specs}]\n"


# --- discovery


def test_origin(install: Install, tmp_path: Path) -> None:
    plugins = install(ours_one=baseline("ours-one"))
    entry = Catalog(plugins).find(BaselineSpec, "ours-one")
    assert entry.origin == Origin("ours-one", "0.9", str(tmp_path / "ours_one.py"))
    assert str(entry.origin) == f"ours-one 0.9 ({tmp_path / 'ours_one.py'})"
    assert Catalog(plugins).find(PluginSpec, "null").origin.distribution == "vfi-harness"
    assert not plugins.broken


def test_an_entry_point_may_name_an_object(install: Install) -> None:
    source = (
        "class Hooks:\n    @hookimpl\n"
        "    def harness_baselines(self): return [BaselineSpec('ours', 'a:B', summary='')]\n"
        "hooks = Hooks()\n"
    )
    plugins = install("{module}:hooks", ours_object=source)
    assert not plugins.broken
    assert Catalog(plugins).find(BaselineSpec, "ours").origin.distribution == "ours-object"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise KeyError('a key')", "KeyError: 'a key'"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("def f(:", "SyntaxError"),
        ("@hookimpl\ndef harness_run_finished(run, colour): ...", "colour"),
        ("@hookimpl\ndef harness_runs_finished(run): ...", "did you mean 'harness_run_finished'?"),
    ],
)
def test_what_cannot_be_loaded_is_left_out_whole(source: str, reason: str, install: Install, tmp_path: Path) -> None:
    before = names(install())
    # aa_first and zz_last stand for all else, before it and after it; its own good hook must not stay behind
    plugins = install(
        aa_first=baseline("ours-first"),
        bb_broken=f"{baseline('ours-broken')}{source}\n",
        zz_last=baseline("ours-last"),
    )
    [broken] = plugins.broken
    assert broken.origin == Origin("bb-broken", "0.9", str(tmp_path / "bb_broken.py"))
    assert reason in broken.reason
    assert "\n" not in str(broken)
    assert names(plugins) == before
    ours = {entry.spec.name for entry in Catalog(plugins).entries(BaselineSpec)}
    assert {name for name in ours if name.startswith("ours")} == {"ours-first", "ours-last"}


def test_a_missing_module_is_named_by_its_entry_point(install: Install) -> None:
    [broken] = install("no_such_package.hooks", ours_one="").broken
    assert broken.origin == Origin("ours-one", "0.9", "no_such_package.hooks")
    assert "No module named 'no_such_package'" in broken.reason


@pytest.mark.parametrize("said", ["1.0", "1.1", None])
def test_an_adapter_of_this_contract_or_before_is_taken(said: str | None, install: Install) -> None:
    plugins = install(ours_one=(f"HARNESS_CONTRACT = {said!r}\n" if said else "") + baseline("ours-one"))
    assert not plugins.broken
    assert Catalog(plugins).find(BaselineSpec, "ours-one")


@pytest.mark.parametrize(
    ("ours", "source", "reason"),
    [
        (
            "1.1",
            "HARNESS_CONTRACT = '1.2'",
            "was written for contract 1.2, and this harness has 1.1: update vfi-harness",
        ),
        ("1.1", "HARNESS_CONTRACT = '2.0'", "or install an older ours-one"),
        (
            "2.0",
            "HARNESS_CONTRACT = '1.1'",
            "was written for contract 1.1, and this harness has 2.0: update ours-one; ",
        ),
        ("2.0", "", "was written for contract 1.0"),
        ("1.10", "HARNESS_CONTRACT = '1.11'", "update vfi-harness"),
        ("1.1", "HARNESS_CONTRACT = 1", "its HARNESS_CONTRACT is 1, where text such as '1.1' is needed"),
        ("1.1", "HARNESS_CONTRACT = '1'", "its HARNESS_CONTRACT is '1', where"),
        (
            "1.1",
            "import harness\nHARNESS_CONTRACT = harness.CONTRACT",
            "its HARNESS_CONTRACT is 'harness.CONTRACT', where",
        ),
        # it imports what is not here, and that is not what has to be said
        ("1.1", "from harness import Newest\nHARNESS_CONTRACT = '1.2'", "was written for contract 1.2"),
    ],
)
@pytest.mark.parametrize("entry", ["{module}", "{module}_pkg.hooks"])
def test_an_adapter_of_another_contract_is_named_and_left_out(
    ours: str, source: str, reason: str, entry: str, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hookspecs, "CONTRACT", ours)
    written = f"{source}\nloaded = []\n{baseline('ours-one')}"
    (tmp_path / "ours_one_pkg").mkdir()
    (tmp_path / "ours_one_pkg" / "__init__.py").write_text("")
    (tmp_path / "ours_one_pkg" / "hooks.py").write_text(HEAD + written)
    plugins = install(entry, ours_one=written)
    [broken] = [each for each in plugins.broken if each.origin.distribution == "ours-one"]
    assert reason in broken.reason
    assert "\n" not in str(broken)
    assert not any(name.startswith("ours_one") and hasattr(module, "loaded") for name, module in sys.modules.items())
    assert "ours-one" not in [each.spec.name for each in Catalog(plugins).entries(BaselineSpec)]


def test_the_changelog_begins_with_this_contract() -> None:
    text = (Path(harness.__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## Contract ([0-9.]+)", text, re.MULTILINE)[0] == harness.CONTRACT == hookspecs.CONTRACT


@pytest.mark.parametrize("folder", ["baselines", "adapters", "tests/third_party"])
def test_what_is_in_the_tree_says_its_contract(folder: str) -> None:
    modules = sorted((Path(harness.__file__).parents[1] / folder).glob("*/*vfi*/__init__.py"))
    assert modules
    for module in modules:
        assert f'\nHARNESS_CONTRACT = "{harness.CONTRACT}"\n' in module.read_text("utf-8"), module


def test_ctrl_c_at_import_is_no_broken_plugin(install: Install) -> None:
    with pytest.raises(KeyboardInterrupt):
        install(ours_one="raise KeyboardInterrupt")


def test_one_module_under_two_entry_points_stays(install: Install) -> None:
    plugins = install("{module} {module}", ours_one=baseline("ours-one"))
    assert Catalog(plugins).find(BaselineSpec, "ours-one").origin.distribution == "ours-one"
    [broken] = plugins.broken
    assert "already registered by ours-one 0.9" in broken.reason


def test_an_entry_point_cannot_take_the_core_away(install: Install) -> None:
    before = names(install())
    plugins = install("harness.registry.builtins", ours_one="")
    assert names(plugins) == before
    assert "already registered by vfi-harness" in plugins.broken[0].reason


def test_listing_imports_no_torch() -> None:
    imports = "from harness.registry.catalog import catalog; catalog(); import harness.cli.main"
    script = f"import sys; {imports}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert not {"torch", "numpy", "pandas"} & set(done.stdout.split())


# --- observers

STEP = {"run": "x", "step": 3, "loss": 0.1, "seconds": 1.0, "learning_rate": 0.1, "info": None}
OBSERVER = """
told = []
@hookimpl
def harness_step_done(step): told.append(step); {action}
@hookimpl
def harness_eval_done(): told.append('tested')
"""


@pytest.mark.parametrize("action", ["raise RuntimeError('no disk')", "raise SystemExit(5)", "import nowhere_at_all"])
def test_an_observer_never_stops_anything(action: str, install: Install, caplog: pytest.LogCaptureFixture) -> None:
    plugins = install(
        aa_good=OBSERVER.format(action="pass"),
        bb_bad=OBSERVER.format(action=action),
        cc_good=OBSERVER.format(action="pass"),
    )
    with caplog.at_level(logging.WARNING, "harness"):
        plugins.notify("harness_step_done", **STEP)
        plugins.notify("harness_eval_done", run="x", done=1, total=2, means={}, info=None)
    assert [sys.modules[name].told for name in ("aa_good", "bb_bad", "cc_good")] == [[3, "tested"]] * 3
    [record] = caplog.records
    assert "observer bb-bad 0.9 (" in record.getMessage()
    assert "harness_step_done failed" in record.getMessage()


def test_ctrl_c_in_an_observer_is_ctrl_c(install: Install) -> None:
    plugins = install(ours_one=OBSERVER.format(action="raise KeyboardInterrupt"))
    with pytest.raises(KeyboardInterrupt):
        plugins.notify("harness_step_done", **STEP)


# --- the catalogue


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "harness_baselines: RuntimeError: two lines"),
        ("raise SystemExit(2)", "harness_baselines: SystemExit: 2"),
        ("return None", "harness_baselines: TypeError"),
        ("return 'ours'", "harness_baselines: TypeError: returned 'o', which is no BaselineSpec"),
        ("return [PluginSpec('ours', 'a:B', summary='')]", "which is no BaselineSpec"),
        ("return [BaselineSpec('Ours', 'a:B', summary='')]", "ValueError: baseline name 'Ours'"),
        ("return [BaselineSpec('ours', 'a.B', summary='')]", "ValueError: factory 'a.B'"),
        ("yield BaselineSpec('ours', 'a:B', summary=''); raise OSError('gone')", "harness_baselines: OSError: gone"),
    ],
)
def test_a_hook_that_fails_costs_its_own_specs_only(body: str, reason: str, install: Install) -> None:
    before = names(install())
    catalog = Catalog(plugins := install(ours_one=f"{sources(maps=0)}@hookimpl\ndef harness_baselines(): {body}\n"))
    [broken] = catalog.broken
    assert broken.origin.distribution == "ours-one"
    assert reason in broken.reason
    assert names(plugins) == before
    assert catalog.find(MaskSourceSpec, "ours-maps").origin == broken.origin


def test_collision(install: Install) -> None:
    catalog = Catalog(install(ours_one=baseline("ours"), ours_two=baseline("ours") + sources(ours=0)))
    one, two = (f"ours-{n} 0.9 (" for n in ("one", "two"))
    [broken] = catalog.broken
    assert str(broken).startswith(two)
    assert f"baseline 'ours' is also claimed by {one}" in broken.reason
    assert "ours" not in [entry.spec.name for entry in catalog.entries(BaselineSpec)]
    with pytest.raises(HarnessError, match=r"baseline 'ours' is claimed by .* and .*: uninstall all but one") as error:
        catalog.find(BaselineSpec, "ours")
    assert one in str(error.value)
    assert two in str(error.value)
    assert catalog.find(MaskSourceSpec, "ours-ours").origin.distribution == "ours-two"


def test_names_of_different_kinds_do_not_collide(install: Install) -> None:
    catalog = Catalog(install(ours_one=baseline("null") + baseline("global").replace("baselines", "plugins")))
    assert catalog.find(BaselineSpec, "null").origin.distribution == "ours-one"
    assert catalog.find(PluginSpec, "null").origin.distribution == "vfi-harness"


def test_did_you_mean(install: Install) -> None:
    catalog = Catalog(install(ours_one=baseline("ours-net")))
    with pytest.raises(HarnessError, match=r"unknown baseline 'our-net'; did you mean 'ours-net'\?"):
        catalog.find(BaselineSpec, "our-net")
    with pytest.raises(HarnessError, match=r"unknown mask source 'zzz'; there are: .*global"):
        catalog.find(MaskSourceSpec, "zzz")


def test_the_default_mask_source(install: Install) -> None:
    catalog = Catalog(install(ours_one=sources(b=90, c=90, a=89), ours_two=sources(d=90)))
    assert catalog.default_mask_source() == Choice("ours-b")


def test_a_preference_decides_between_names_of_which_one_starts_the_other(install: Install) -> None:
    catalog = Catalog(install(ours_one="@hookimpl\ndef harness_mask_sources(): return ["
        "MaskSourceSpec(n, 'nowhere:Maps', summary='', preference=90) for n in ('ours-ab', 'ours-a')]\n"))  # fmt: skip
    assert catalog.default_mask_source() == Choice("ours-a")


# --- what is behind a name

FACTORIES = """
from harness import HarnessError
class Raises:
    def __init__(self, *, size: int = 1): raise RuntimeError('two\\nlines')
class Exits:
    def __init__(self): raise SystemExit(0)
class Refuses:
    def __init__(self, *, size: int = 1): raise ValueError('size is even')
class Explains:
    def __init__(self): raise HarnessError('look here')
class Annotated:
    def __init__(self, *, size: 'NoSuchType' = 1): ...
class Unknown: ...
class Odd:
    def __init__(self, *, size: Unknown = 1): ...
text = 'no class'
"""


def entry(install: Install, factory: str) -> Entry:
    (catalog := Catalog(install(ours_one=FACTORIES + baseline("ours", factory))))
    return catalog.find(BaselineSpec, "ours")


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("nowhere_at_all:Net", "cannot be imported: ModuleNotFoundError"),
        ("ours_exits:Net", "cannot be imported: SystemExit: 0"),
        ("ours_one:Absent", "cannot be imported: AttributeError"),
        ("ours_one:Annotated", "NoSuchType"),
        ("ours_one:Odd", "cannot be read"),
        ("ours_one:text", "cannot be read: TypeError"),
        ("ours_one:Raises", "cannot be built: RuntimeError: two lines"),
        ("ours_one:Exits", "cannot be built: SystemExit: 0"),
    ],
)
def test_a_factory_that_fails_is_blamed_on_its_distribution(
    factory: str, reason: str, install: Install, tmp_path: Path
) -> None:
    (tmp_path / "ours_exits.py").write_text("raise SystemExit(0)\n")
    found = entry(install, factory)
    with pytest.raises(HarnessError) as error:
        Catalog.choose(_Only(found), BaselineSpec, Choice("ours", {"size": "2"} if "Odd" in factory else {})).build()
    assert f"baseline ours of ours-one 0.9 ({tmp_path / 'ours_one.py'})" in str(error.value)
    assert reason in str(error.value)


class _Only(Catalog):
    """A catalogue of one."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def find(self, kind: type[Spec], name: str) -> Entry:
        return self.entry

    def claims(self, kind: type[Spec], name: str) -> list[Entry]:
        return [self.entry]


@pytest.mark.parametrize(
    ("factory", "line"), [("ours_one:Refuses", "ours: size is even"), ("ours_one:Explains", "look here")]
)
def test_a_factory_may_refuse_its_options(factory: str, line: str, install: Install) -> None:
    with pytest.raises(HarnessError, match=line):
        Catalog.choose(_Only(entry(install, factory)), BaselineSpec, Choice("ours")).build()


def test_an_entry_lists_its_options_or_its_fault(install: Install) -> None:
    assert list(entry(install, "ours_one:Raises").options()) == ["size"]


def test_options_of_a_faulty_signature_are_blamed(install: Install) -> None:
    with pytest.raises(HarnessError, match=r"baseline ours of ours-one 0\.9 .*NoSuchType"):
        entry(install, "ours_one:Annotated").options()


# --- the hooks themselves


def constants(path: Path) -> Iterable[str]:
    """Every string in a module's code, names of functions aside."""
    return (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))


@pytest.mark.parametrize("hook", KNOWN_HOOKS)
def test_every_hook_is_documented_and_called(hook: str) -> None:
    function = getattr(hookspecs, hook)
    doc = inspect.getdoc(function)
    assert doc
    assert doc.splitlines()[0].endswith(".")
    assert hasattr(function, f"{hookspecs.GROUP}_spec")
    assert all(name == "return" or kind for name, kind in function.__annotations__.items())
    assert set(inspect.signature(function).parameters) == set(function.__annotations__) - {"return"}
    core = Path(harness.__file__).parent
    callers = [path for path in core.rglob("*.py") if path.name != "hookspecs.py" and hook in constants(path)]
    assert callers, f"nothing in harness/ calls {hook}"


def test_every_hook_that_collects_is_in_the_catalogue() -> None:
    returning = {hook for hook in KNOWN_HOOKS if getattr(hookspecs, hook).__annotations__["return"] != "None"}
    others = {"harness_tables", "harness_recipes", "harness_costs", "harness_launch"}  # which return no records
    assert returning == {*HOOKS, *others}
    for hook, kind in HOOKS.items():
        assert getattr(hookspecs, hook).__annotations__["return"] == f"Iterable[{kind.__name__}]"


@pytest.mark.parametrize("name", ["", "Net", "a_b", "-a", "a-", "a--b", "a b", "ä", "a\n"])
def test_a_name_is_lower_case_words(name: str) -> None:
    with pytest.raises(ValueError, match="lower-case words"):
        BaselineSpec(name, "a:B", summary="")


@pytest.mark.parametrize("factory", ["", "a", "a.B", ":B", "a:", "a:B.c", "a:B\n", "a b:C"])
def test_a_factory_is_module_and_class(factory: str) -> None:
    with pytest.raises(ValueError, match="not of the form 'module:Class'"):
        BaselineSpec("a", factory, summary="")


# --- recipes

SHORT = "# A short one.\nsteps: 3\nbatch: 1\naugment: {crop: 32}\n"


def recipes(tmp_path: Path, **files: str) -> str:
    """The source of a distribution that brings these."""
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    paths = [str(tmp_path / f"{name}.yaml") for name in files]
    return f"@hookimpl\ndef harness_recipes(): return {paths!r}\n"


def test_a_recipe_may_be_brought(install: Install, tmp_path: Path) -> None:
    plugins = install(ours_one=recipes(tmp_path, brief=SHORT))
    assert find_recipe("brief", plugins).steps == 3
    assert find_recipe("brief", plugins) == find_recipe(str(tmp_path / "brief.yaml"), plugins)
    assert find_recipe("smoke", plugins).steps == 4
    [(distribution, path)] = recipe_files(plugins)["brief"]
    assert (distribution, summary(path)) == ("ours-one", "A short one.")
    assert summary(recipe_files(plugins)["smoke"][0][1]) == "A few real steps in seconds, for tests."
    with pytest.raises(HarnessError, match=r"unknown recipe 'breif'; did you mean 'brief'\?"):
        find_recipe("breif", plugins)


def test_a_recipe_that_is_wrong_is_named_when_it_is_asked_for(
    install: Install, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    twice = recipes(tmp_path, smoke=SHORT, odd="steps: many\n")
    missing = "@hookimpl\ndef harness_recipes(): return ['/nowhere/lost.yaml']\n"
    broken = "@hookimpl\ndef harness_recipes(): raise OSError('gone')\n"
    plugins = install(aa_one=broken, bb_two=twice, cc_three=missing)
    with caplog.at_level(logging.WARNING, "harness"), pytest.raises(HarnessError, match=r"odd\.yaml"):
        find_recipe("odd", plugins)
    assert [line for line in caplog.messages if "aa-one 0.9 (" in line and "harness_recipes: OSError: gone" in line]
    with pytest.raises(HarnessError, match=r"recipe 'smoke' is claimed by vfi-harness \(.*\) and by bb-two \(.*\)"):
        find_recipe("smoke", plugins)
    with pytest.raises(HarnessError, match=r"/nowhere/lost\.yaml"):
        find_recipe("lost", plugins)
    assert summary(Path("/nowhere/lost.yaml")).startswith("cannot be read")
    assert find_recipe("quick", plugins)
