"""Small pieces of SVG and HTML: escaped elements, and axes that put numbers on a plot."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass

__all__ = ["Axis", "decimal_axis", "element", "log_axis", "text"]


def element(name: str, *children: str, **attributes: str | float) -> str:
    """Return an element; `children` are markup, attribute values are escaped. A trailing _ is dropped, _ becomes -."""
    inside = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_number(value))}"' for key, value in attributes.items()
    )
    return f"<{name}{inside}>{''.join(children)}</{name}>"


def text(content: str) -> str:
    """Return `content` as text of a page, with nothing in it that a browser could take for markup."""
    return html.escape(content)


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high` laid on pixels from `start_px` to `end_px`, in even or in logarithmic steps."""

    low: float
    high: float
    start_px: float
    end_px: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return the pixel of `value`."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.start_px + (value - low) / (high - low) * (self.end_px - self.start_px)


def decimal_axis(low: float, high: float, start_px: float, end_px: float) -> Axis:
    """Return an axis in even steps of 1, 2 or 5 times a power of ten that holds `low` and `high`."""
    span = max(high - low, 1e-3)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(factor * power for factor in (0.2, 0.5, 1.0, 2.0, 5.0) if span / (factor * power) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(number * step, 10) for number in range(first, max(last, first + 1) + 1))
    return Axis(ticks[0], ticks[-1], start_px, end_px, ticks)


def log_axis(low: float, high: float, start_px: float, end_px: float) -> Axis:
    """Return a logarithmic axis from `low` to `high`, both above 0, with a little room and round ticks."""
    low, high = low / 1.15, high * 1.15
    for factors in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(1 + number / 5 for number in range(45))):
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        places = [factor * 10.0**power for power in powers for factor in factors]
        ticks = tuple(round(place, 10) for place in places if low <= place <= high)
        if len(ticks) >= 3:
            break
    # Over many powers of ten, their heads alone.
    if len(ticks) > 8:
        ticks = tuple(tick for tick in ticks if math.isclose(math.log10(tick) % 1, 0, abs_tol=1e-9))
    return Axis(low, high, start_px, end_px, ticks, logarithmic=True)


def _number(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
