"""The figures of trainings: curves of runs over tokens or seconds, and the two pictures of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wordalloc.report._summary import finite_curves, finite_points
from wordalloc.report.page_figures import escaped
from wordalloc.report.page_parts import ComparisonPart, Curve, RunPart
from wordalloc.report.page_style import PAPER, REFERENCE, axis, figure, line_of, log_axis

MOST_POINTS = 600  # of a curve
AXES = {"tokens": "Tokens trained on", "seconds": "Seconds of training"}


def run_figures(runs: Sequence[RunPart]) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """Return the losses, the perplexities of validation, and whether seconds are known for all of them.

    Parameters
    ----------
    runs : sequence of RunPart
        One line each.
    """
    losses, perplexities = [], []
    for index, run in enumerate(runs):
        name, line = escaped(run.name), line_of(index)
        lines = "lines+markers" if run.loss.tokens.size == 1 else "lines"  # a line through one point is none
        losses.append(_curve(name, run.loss, "loss", "nats a token", mode=lines, line=line))
        shared = {"legendgroup": f"run-{index}"}
        part = _curve(name, run.part, "perplexity of a part", "", mode="lines", line=line, **shared)
        marker = {"size": 9, "color": line["color"], "line": {"color": PAPER, "width": 1.5}}
        alone = {"showlegend": not run.part.tokens.size}
        whole = _curve(name, run.valid, "perplexity", "", mode="markers", marker=marker, **shared, **alone)
        perplexities += [trace for trace in (part, whole) if trace["x"]]
    curves = [curve for run in runs for curve in (run.loss, run.part, run.valid)]
    timed = all(np.isfinite(curve.seconds).all() for curve in curves)
    values = [value for trace in perplexities for value in trace["y"]]
    loss = figure(losses, xaxis=axis(AXES["tokens"], rangemode="tozero", exponentformat="SI"), meta=AXES,
                  yaxis=axis("Training loss (nats a token)"))  # fmt: skip
    valid = figure(perplexities, xaxis=axis(AXES["tokens"], rangemode="tozero", exponentformat="SI"), meta=AXES,
                   yaxis=log_axis("Validation perplexity", values))  # fmt: skip
    return loss, valid, timed


def _curve(name: str, curve: Curve, what: str, unit: str, **more: Any) -> dict[str, Any]:
    n = curve.tokens.size
    kept = np.linspace(0, n - 1, min(n, MOST_POINTS)).round().astype(np.int64)
    tokens, seconds, values = (array[kept].tolist() for array in (curve.tokens, curve.seconds, curve.values))
    seconds = [None if np.isnan(second) else second for second in seconds]
    labels = [
        f"<b>{name}</b><br>{what} {value:.4g}{f' {unit}' if unit else ''}<br>after {token:,.0f} tokens"
        + ("" if second is None else f", {second:,.4g} s")
        for token, second, value in zip(tokens, seconds, values, strict=True)
    ]
    return {
        "type": "scatter", "name": name, "x": tokens, "y": values, "customdata": labels,
        "hovertemplate": "%{customdata}<extra></extra>", "meta": {"tokens": tokens, "seconds": seconds}, **more,
    }  # fmt: skip


def comparison_figures(part: ComparisonPart) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return perplexity over seconds of training, and over parameters: medians over the seeds.

    Parameters
    ----------
    part : ComparisonPart
        At least one method.
    """
    lines = {method["method"]: _line(index, method["method"]) for index, method in enumerate(part.methods)}
    curves = {
        method["method"]: list(zip(method["measured"]["curve_seconds"], method["curve_perplexities"], strict=True))
        for method in part.methods
    }
    over_time = []
    for name, curve in finite_curves(curves)[0].items():
        pairs = zip(curve.seconds.tolist(), curve.middle.tolist(), strict=True)
        labels = [f"<b>{escaped(name)}</b><br>perplexity {value:.4g} after {second:,.4g} s" for second, value in pairs]
        over_time.append(_scatter(name, curve.seconds.tolist(), curve.middle.tolist(), labels, line=lines[name]))
    points = {method["method"]: (method["parameters"], method["perplexities"]) for method in part.methods}
    over_parameters = []
    for name, point in finite_points(points)[0].items():
        label = f"<b>{escaped(name)}</b><br>perplexity {point.middle:.4g} with {point.parameters:,.0f} weights"
        bar = {"type": "data", "symmetric": False, "array": [point.high - point.middle],
               "arrayminus": [point.middle - point.low], "color": lines[name]["color"]}  # fmt: skip
        marker = {"size": 12, "color": lines[name]["color"]}
        more = {"mode": "markers+text", "marker": marker, "error_y": bar, "text": [escaped(name, 24)],
                "textposition": "top center", "cliponaxis": False, "showlegend": False}  # fmt: skip
        over_parameters.append(_scatter(name, [point.parameters], [point.middle], [label], **more))
    return (
        figure(over_time, xaxis=_log("Seconds of training", over_time, "x"),
               yaxis=_log("Perplexity of a part", over_time, "y")),
        figure(over_parameters, xaxis=_log("Weights of input and output", over_parameters, "x", room=0.12),
               yaxis=_log("Perplexity", over_parameters, "y", room=0.1)),
    )  # fmt: skip


def _log(title: str, traces: list[dict[str, Any]], key: str, **more: float) -> dict[str, Any]:
    return log_axis(title, [value for trace in traces for value in trace[key]], **more)


def _line(index: int, name: str) -> dict[str, Any]:
    return {"color": REFERENCE, "width": 3} if name == "full" else line_of(index)


def _scatter(name: str, x: list[float], y: list[float], labels: list[str], **more: Any) -> dict[str, Any]:
    hover = {"customdata": labels, "hovertemplate": "%{customdata}<extra></extra>"}
    return {"type": "scatter", "mode": "lines+markers", "name": escaped(name), "x": x, "y": y, **hover, **more}
