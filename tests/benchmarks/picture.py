"""The pictures of the benchmark: bars for a first and a second check, curves for how a check scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

Curve = Sequence[tuple[float, float]]
THEMES = {
    "light": {"ink": "#24292f", "ours": "#1a7f37", "theirs": "#8c959f", "grid": "#d0d7de"},
    "dark": {"ink": "#e6edf3", "ours": "#3fb950", "theirs": "#7d8590", "grid": "#30363d"},
}
"""Colours for the light and the dark theme of a code host; the pictures have a transparent background."""


def draw(folder: Path, bars: Sequence[tuple[str, float]], datastacks: Mapping[str, Curve], files: Curve) -> None:
    """Writes `results-light.svg` and `results-dark.svg`.

    Args:
        folder: where to.
        bars: name and seconds of each; those whose name begins with % are ours.
        datastacks: for each curve its points: how many datastacks, seconds of a check.
        files: points: how many files in the folder, seconds of a check.
    """
    for theme, colours in THEMES.items():
        style = {
            "font.family": "sans-serif", "font.size": 9, "axes.titlesize": 10, "axes.titleweight": "bold",
            "axes.titlelocation": "left", "text.color": colours["ink"], "axes.labelcolor": colours["ink"],
            "xtick.color": colours["ink"], "ytick.color": colours["ink"], "axes.edgecolor": colours["grid"],
            "axes.titlecolor": colours["ink"], "svg.hashsalt": "cave-magic",
        }  # fmt: skip
        with pyplot.rc_context(style):
            figure, (left, middle, right) = pyplot.subplots(
                1, 3, figsize=(10.4, 2.7), layout="constrained", gridspec_kw={"width_ratios": (1.5, 1.15, 1.15)}
            )
            _bars(left, bars, colours)
            _datastacks(middle, datastacks, colours)
            _files(right, files, colours)
            figure.savefig(folder / f"results-{theme}.svg", transparent=True, metadata={"Date": None})
            pyplot.close(figure)


def _bars(axes: Any, bars: Sequence[tuple[str, float]], colours: Mapping[str, str]) -> None:
    axes.set_title("seconds, at 100 ms a response")
    names = [name for name, _ in bars]
    paint = [colours["ours" if name.startswith("%") else "theirs"] for name in names]
    drawn = axes.barh(names, [value for _, value in bars], color=paint, height=0.55)
    axes.bar_label(drawn, labels=[f"{value:.2f}" for _, value in bars], padding=4)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.xaxis.set_major_locator(NullLocator())
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(length=0)


def _datastacks(axes: Any, curves: Mapping[str, Curve], colours: Mapping[str, str]) -> None:
    axes.set_title("seconds, at 50 ms a response")
    axes.set_xlabel("datastacks looked at")
    for (name, points), style in zip(curves.items(), ("-", "--"), strict=False):
        axes.plot(*zip(*points, strict=True), style, marker="o", markersize=4, color=colours["ours"], label=name)
        axes.set_xticks([x for x, _ in points])
    if curves:
        axes.legend(frameon=False, loc="upper left")
    _plain(axes, colours, 1.6)


def _files(axes: Any, points: Curve, colours: Mapping[str, str]) -> None:
    axes.set_title("milliseconds, second check")
    axes.set_xlabel("files in the secrets folder")
    if points:
        axes.plot(
            [x for x, _ in points], [y * 1000 for _, y in points], marker="o", markersize=4, color=colours["ours"]
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    _plain(axes, colours)


def _plain(axes: Any, colours: Mapping[str, str], room: float = 1.3) -> None:
    top = max((value for line in axes.lines for value in line.get_ydata()), default=1.0)
    axes.set_ylim(0, top * room)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y", color=colours["grid"], linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0)
