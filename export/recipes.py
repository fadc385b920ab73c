"""Named quantisations: what happens to weights and activations, in which formats, and how close they must stay."""

from __future__ import annotations

from dataclasses import dataclass

from cxr_edge.contract import artifact_name
from cxr_edge.errors import UsageError

__all__ = ["FORMATS", "RECIPES", "SMALL_WEIGHTS", "Recipe", "Target", "choose"]

FORMATS = ("tflite", "onnx")

SMALL_WEIGHTS = 4096
"""float16 leaves convolutions with fewer weights in float32: the first ones, whose kernels of large values that nearly
cancel lose most by rounding, and which together are a hundredth of MobileNetV2."""


@dataclass(frozen=True)
class Recipe:
    """One quantisation.

    `weights` and `activations` name number formats, `granularity` is that of the weights' scales. `tolerance` is the
    largest difference of a probability from the Keras model that an export may have on real pixels; None where only
    the drift statistics can judge. `calibrated` recipes read the calibration films.
    """

    name: str
    weights: str
    activations: str
    granularity: str
    formats: tuple[str, ...]
    tolerance: float | None
    calibrated: bool = False


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("float32", "float32", "float32", "none", FORMATS, 1e-4),
        # Half-precision weights have 11 significant bits, which the whole network's depth multiplies.
        Recipe("float16", "float16", "float32, in ONNX float16", "none", FORMATS, 2e-2),
        Recipe("dynamic", "int8", "float32, int8 within a layer", "per channel", ("tflite",), None),
        Recipe("int8", "int8", "int8", "per channel", FORMATS, None, calibrated=True),
        Recipe("int16x8", "int8", "int16", "per channel", ("tflite",), None, calibrated=True),
    )
}


@dataclass(frozen=True)
class Target:
    """One artifact to export: a recipe in a format."""

    format: str
    recipe: Recipe

    @property
    def name(self) -> str:
        """The artifact's file name."""
        return artifact_name(self.format, self.recipe.name)


def choose(names: tuple[str, ...], formats: tuple[str, ...]) -> list[Target]:
    """Return what to export: float32 in each format always, then each named recipe in the formats that have it.

    Raises UsageError for an unknown name, or a recipe that none of the formats has.
    """
    targets = [Target(format, RECIPES["float32"]) for format in formats]
    for name in dict.fromkeys(names):
        if name not in RECIPES:
            raise UsageError(f"--quantize {name}: unknown; choose from {', '.join(RECIPES)}")
        recipe = RECIPES[name]
        fitting = [format for format in formats if format in recipe.formats]
        if not fitting:
            raise UsageError(
                f"--quantize {name}: exists for {', '.join(recipe.formats)}; add --format {recipe.formats[0]}"
            )
        targets += [Target(format, recipe) for format in fitting if name != "float32"]
    return targets
