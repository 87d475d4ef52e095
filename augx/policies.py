"""Published policies: each is a tree of steps in the spec's own words.

The operations are those of Pillow that the papers used: ``mean_contrast``, ``saturation``, ``brightness`` and ``sharpen`` with
a factor, ``solarize``, ``posterize``, ``equalize``, ``autocontrast``, ``invert``. A policy's geometry joins the spec's ``warp``,
its tone the spec's table, and its pixel steps come before ``then``; so pictures are resampled once, where the papers' own
code resamples at each step, and geometry pivots about the centre, where theirs shears about the corner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, create_model, model_validator

from augx.auto_augment import PAIRS
from augx.ranges import fault, shown
from augx.sections import Group, Mix, Placed, StepBase, WhenUsed, step_model
from augx.transforms import TRANSFORMS, Transform
from augx.transforms.base import Node, Probability

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

_BINS = 31
POLICIES: dict[str, type[Policy]] = {}


class Policy(Node):
    """A policy's settings."""

    name: ClassVar[str]

    p: Probability = Field(1.0, description="probability that a copy gets the policy at all")

    def __init_subclass__(cls, called: str, **kwargs: Any) -> None:
        cls.name = called
        POLICIES[called] = cls

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        first = next(name for name in (*cls.model_fields, "p") if name != "p" or len(cls.model_fields) == 1)
        return value if isinstance(value, dict) else {first: value}

    def nodes(self) -> tuple[Placed, ...]:
        """The tree that this policy stands for, with its places."""
        group = Group("all_of", self.p, _steps(self.steps()), (), None)
        return ((f"policy.{self.name}", group),)

    def steps(self) -> list[dict[str, Any]]:
        """The steps of a copy, as a spec would write them."""
        raise NotImplementedError


def _steps(data: Sequence[dict[str, Any]]) -> tuple[StepBase, ...]:
    step = step_model("AnyStep", Transform)
    return tuple(map(step.model_validate, data))


def _operation(name: str, magnitudes: Sequence[float] = (), p: float = 1.0) -> dict[str, Any]:
    """An operation by its name in the papers, with one of the magnitudes and, where it has two directions, either sign."""
    either = [v for magnitude in magnitudes for v in (magnitude, -magnitude)]
    match name:
        case "Identity":
            return {"all_of": []}
        case "AutoContrast" | "Equalize" | "Invert":
            return {name.lower(): {"p": p}}
        case "Posterize" | "Solarize":
            transform, values = name.lower(), list(magnitudes)
        case "ShearX" | "ShearY":
            transform, values = {"X": "shear", "Y": "shear_y"}[name[-1]], [round(math.degrees(math.atan(v)), 6) for v in either]
        case "TranslateX" | "TranslateY":
            transform, values = f"shift_{name[-1].lower()}", either
        case "Rotate":
            transform, values = "rotate", either
        case _:
            transform = {"Brightness": "brightness", "Color": "saturation", "Contrast": "mean_contrast", "Sharpness": "sharpen"}[name]
            values = [round(1 + v, 6) for v in either]
    return {transform: TRANSFORMS[transform].long_form({"choice": values}) | {"p": p}}


def _scale(last: float, bins: int) -> list[float]:
    return [round(last * i / (bins - 1), 6) for i in range(bins)]


def _space(bins: int, *, wide: bool = False) -> dict[str, list[float]]:
    """The magnitudes of each operation, from the weakest bin to the strongest.

    The spaces of torchvision's RandAugment and AutoAugment; ``wide``: of its TrivialAugmentWide, where 32 pixels are taken as
    a share of ImageNet's 224.
    """
    shear, shift, angle, factor = (0.99, 32 / 224, 135, 0.99) if wide else (0.3, 150 / 331, 30, 0.9)
    steps = 6 if wide else 4
    space = {name: _scale(shear, bins) for name in ("ShearX", "ShearY")} | {
        name: _scale(shift, bins) for name in ("TranslateX", "TranslateY")
    }
    space |= {"Rotate": _scale(angle, bins)} | {name: _scale(factor, bins) for name in ("Brightness", "Color", "Contrast", "Sharpness")}
    space |= {"Posterize": [8.0 - round(i / ((bins - 1) / steps)) for i in range(bins)]}
    space |= {"Solarize": [255.0 - v for v in _scale(255.0, bins)]}
    return space | {name: [] for name in ("AutoContrast", "Equalize", "Identity")}


class RandAugment(Policy, called="rand_augment"):
    """``n`` operations in turn, each one of fourteen, all at one magnitude.

    Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space", 2019 (arXiv 1909.13719).
    """

    n: Annotated[int, Field(strict=True, ge=1, le=14)] = Field(2, description="number of operations")
    magnitude: Annotated[int, Field(strict=True, ge=0, le=_BINS - 1)] = Field(9, description="strength of all operations")

    def steps(self) -> list[dict[str, Any]]:
        each = [_operation(name, values[self.magnitude : self.magnitude + 1]) for name, values in _space(_BINS).items()]
        return [{"one_of": each}] * self.n


class TrivialAugment(Policy, called="trivial_augment"):
    """One operation of fourteen, at any magnitude, from nothing to very strong.

    Müller and Hutter, "TrivialAugment: Tuning-free yet state-of-the-art data augmentation", 2021 (arXiv 2103.10158), the wide space.
    """

    def steps(self) -> list[dict[str, Any]]:
        return [{"one_of": [_operation(name, values) for name, values in _space(_BINS, wide=True).items()]}]


class AutoAugment(Policy, called="auto_augment"):
    """One of 25 learnt pairs of operations.

    Cubuk et al., "AutoAugment: Learning augmentation policies from data", 2018 (arXiv 1805.09501), appendix A.
    """

    dataset: Literal["imagenet", "cifar10", "svhn"] = Field("imagenet", description="what the policy was learnt on")

    def steps(self) -> list[dict[str, Any]]:
        space = _space(10) | {"Invert": []}

        def operation(words: str) -> dict[str, Any]:
            name, p, *magnitude = words.split()
            return _operation(name, [space[name][int(m)] for m in magnitude], float(p))

        pairs = [line.split(",") for line in PAIRS[self.dataset].split("\n") if line.strip()]
        return [{"one_of": [{"all_of": [operation(words) for words in pair]} for pair in pairs]}]


class AugMix(Policy, called="augmix"):
    """The picture blended with chains of one to ``depth`` mild operations each, in random shares.

    Hendrycks et al., "AugMix: A simple data processing method to improve robustness and uncertainty", 2020 (arXiv
    1912.02781), with both its Beta and its Dirichlet distribution at 1. Each chain is one resample of the source.
    """

    severity: Annotated[float, Field(strict=True, ge=0.1, le=10)] = Field(3.0, description="strength of the operations")
    width: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(3, description="number of chains")
    depth: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(3, description="operations of a chain, at most")

    def nodes(self) -> tuple[Placed, ...]:
        return ((f"policy.{self.name}", Mix(self.p, _steps(self.steps() * self.width))),)

    def steps(self) -> list[dict[str, Any]]:
        operation = {"one_of": self._operations()}
        chain: list[dict[str, Any]] = [operation]
        for length in range(2, self.depth + 1):  # so nested that every length is equally likely
            chain = [operation, {"all_of": chain, "p": (length - 1) / length}]
        return [{"all_of": chain}]

    def _operations(self) -> list[dict[str, Any]]:
        """The paper's nine; a level is uniform from 0.1 to the severity, and what it rounds down it rounds down here."""
        low, high = 0.1, self.severity

        def either_way(transform: str, full: float) -> dict[str, Any]:
            return {"one_of": [{transform: [full * low / 10, full * high / 10]}, {transform: [-full * high / 10, -full * low / 10]}]}

        def rounded_down(transform: str, first: int, full: int) -> dict[str, Any]:
            counts = range(int(low * full / 10), math.ceil(high * full / 10))
            shares = [min(high, (n + 1) * 10 / full) - max(low, n * 10 / full) for n in counts]
            return {transform: {"choice": [first - n for n in counts], "weights": shares if high > low else [1] * len(counts)}}

        # The papers' shears are slopes; up to 0.3, angles are within 3 % the same.
        shears = [either_way(name, math.degrees(0.3)) for name in ("shear", "shear_y")]
        shifts = [either_way(name, 1 / 3) for name in ("shift_x", "shift_y")]
        levels = [rounded_down("posterize", 4, 4), rounded_down("solarize", 256, 256)]
        return [{"autocontrast": {}}, {"equalize": {}}, either_way("rotate", 30.0), *levels, *shears, *shifts]


def _meant(name: str) -> str:
    """The policy of this name, whatever its case and dashes."""
    import difflib

    plain = name.casefold().replace("-", "_").replace(" ", "_")
    for known in POLICIES:
        if plain.replace("_", "") == known.replace("_", ""):
            return known
    close = difflib.get_close_matches(plain, POLICIES, 1)
    raise fault(f"a policy is one of {', '.join(POLICIES)}, found {shown(name)}" + (f" (did you mean {close[0]}?)" if close else ""))


class _Chosen(Node):
    """A policy by its name, with its settings: ``rand_augment``, or ``{rand_augment: {n: 2, magnitude: 9}}``."""

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"enum": list(POLICIES)}, handler(schema)]}

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {_meant(value): {}}
        if isinstance(value, list | tuple):
            raise fault(f"one policy only: one of {', '.join(POLICIES)}, found the list {shown(value)}")
        return value

    @model_validator(mode="after")
    def _single(self) -> _Chosen:
        given = [name for name in POLICIES if getattr(self, name) is not None]
        if len(given) != 1:
            raise fault(f"a policy is one of {', '.join(POLICIES)}, found {' and '.join(given) or 'none'}")
        return self

    def nodes(self) -> tuple[Placed, ...]:
        """The tree of the policy that is chosen."""
        policy: Policy = next(filter(None, (getattr(self, name) for name in POLICIES)))
        return policy.nodes()


if TYPE_CHECKING:
    ChosenPolicy = _Chosen
else:
    _named = {
        name: (Annotated[Any, WhenUsed(partial(POLICIES.__getitem__, name))], Field(None, description=cls.__doc__))
        for name, cls in POLICIES.items()
    }
    ChosenPolicy = create_model("Policy", __base__=_Chosen, __doc__=_Chosen.__doc__, **_named)
