"""An arm of a comparison: a baseline with its plug-ins, named and buildable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.registry.catalog import Catalog, Chosen, catalog
from harness.registry.options import Choice, parse_choice
from harness.registry.specs import BaselineSpec, PluginSpec

if TYPE_CHECKING:
    from harness.data.benchmark import Triplet
    from harness.model import Baseline, Composed


@dataclass(frozen=True)
class Arm:
    """`plugins` are in the order in which they act: feature plug-ins as given, then the motion plug-in."""

    baseline: Chosen
    plugins: tuple[Chosen, ...] = ()

    @classmethod
    def of(cls, known: Catalog, baseline: Choice, plugins: Sequence[Choice] = ()) -> Arm:
        """Raises HarnessError for an unknown name or option, a plug-in given twice, or two motion plug-ins."""
        chosen = [known.choose(PluginSpec, plugin) for plugin in plugins]
        names = [plugin.name for plugin in chosen]
        for name in names:
            if names.count(name) > 1:
                raise HarnessError(f"plug-in '{name}' is given twice")
        motion = [plugin for plugin in chosen if _spec(plugin).stage == "motion"]
        if len(motion) > 1:
            raise HarnessError(f"one motion plug-in at a time: {' and '.join(p.name for p in motion)} both are")
        features = [plugin for plugin in chosen if _spec(plugin).stage == "feature"]
        return cls(known.choose(BaselineSpec, baseline), (*features, *motion))

    @property
    def plain(self) -> Arm:
        """The same baseline without plug-ins: the other arm of the pair."""
        return Arm(self.baseline)

    @property
    def slug(self) -> str:
        """Names only, for folders: `ifrnet-s+hce+hir`."""
        return "+".join([self.baseline.name, *(plugin.name for plugin in self.plugins)])

    @property
    def label(self) -> str:
        """Names and given options, for tables: `ifrnet-s+hir(stages=L)`."""
        return "+".join([self.baseline.label, *(plugin.label for plugin in self.plugins)])

    @property
    def needs_masks(self) -> bool:
        return any(_spec(plugin).needs_masks for plugin in self.plugins)

    @property
    def middle_only(self) -> bool:
        """Whether the network makes the frame at t = 1/2 alone."""
        spec = self.baseline.entry.spec
        assert isinstance(spec, BaselineSpec)
        return spec.times == "middle"

    @property
    def inputs(self) -> int:
        """How many frames the network sees, 2 or 4."""
        spec = self.baseline.entry.spec
        assert isinstance(spec, BaselineSpec)
        return spec.inputs

    @property
    def own_loss(self) -> bool:
        """Whether the baseline is trained with a loss of its own."""
        spec = self.baseline.entry.spec
        assert isinstance(spec, BaselineSpec)
        return spec.loss == "own"

    @property
    def channels_last(self) -> bool:
        """Whether the baseline's weights may lie so."""
        spec = self.baseline.entry.spec
        assert isinstance(spec, BaselineSpec)
        return spec.channels_last

    def check_times(self, label: str, triplets: Iterable[Triplet]) -> None:
        """Raises HarnessError where a network for the middle frame is asked for another by a benchmark."""
        other = next((each.t for each in triplets if each.t != 0.5), None) if self.middle_only else None
        if other is not None:
            raise HarnessError(
                f"{label} has frames at t = {Fraction(other).limit_denominator(1000)}, and {self.baseline.name} makes "
                "the one at 1/2 alone: take a network for any time (harness show NAME: times), or another benchmark"
            )

    def build(self, seed: int) -> Composed:
        """The module with initial weights: the baseline's drawn from (seed), each plug-in's from (seed, name).

        So no plug-in shifts the weights of the baseline or of another plug-in. The global RNG is left as it was.
        """
        import torch

        from harness.model import Composed

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            baseline: Baseline = self.baseline.build()
            plugins = {}
            for plugin in self.plugins:
                if baseline.offers is None and _spec(plugin).needs_seam:
                    raise HarnessError(f"{self.baseline.name} has no seam for plug-ins: {plugin.name} cannot act on it")
                if _spec(plugin).stage == "motion" and (baseline.offers is None or baseline.offers.motion is None):
                    raise HarnessError(
                        f"{self.baseline.name} has no motion seam, for it estimates no flows that a plug-in could "
                        f"seed: {plugin.name} cannot act on it; take feature plug-ins alone"
                    )
                torch.manual_seed(stream(seed, plugin.name))
                plugins[plugin.name] = plugin.build(baseline.offers)
        return Composed(
            baseline,
            plugins,
            middle_only=self.middle_only,
            inputs=self.inputs,
            needs_masks=self.needs_masks,
            channels_last=self.channels_last,
        )

    def check(self, model: Composed, untrained: bool = False) -> None:
        """One small forward pass of a model that was built here, held against the seam's contract; an `untrained` one
        also against what its plug-ins say of their start.

        Before it is trained or evaluated. Raises HarnessError naming whoever broke the contract.
        """
        from harness.model.conformance import check_model

        check_model(model, self.baseline.entry, {plugin.name: plugin.entry for plugin in self.plugins}, untrained)


def load_model(baseline: str, weights: str | None, plugins: Sequence[str]) -> Composed:
    """See `harness.load`."""
    from harness.weights.places import given
    from harness.weights.read import load_weights

    arm = Arm.of(catalog(), parse_choice(baseline), [parse_choice(plugin) for plugin in plugins])
    model = arm.build(seed=0)
    if weights is not None:
        if (found := given(str(weights))) is None:
            raise HarnessError(f"{weights}: there is no such file")
        load_weights(model, found.file, arm.label, found.key)
    return model.eval()


def stream(seed: int, *keys: str | int) -> int:
    """A seed of its own for each purpose, 63 bits, the same on every machine."""
    text = "/".join(map(str, (seed, *keys)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _spec(plugin: Chosen) -> PluginSpec:
    spec = plugin.entry.spec
    assert isinstance(spec, PluginSpec)
    return spec
