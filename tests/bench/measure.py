"""Alternating measurements of contenders, and their table: medians, p95 and ratios to the first one."""

import statistics
from collections.abc import Callable, Mapping
from typing import TypeVar

Figure = TypeVar("Figure")
Measure = Callable[[], float]  # one measurement, in seconds


def alternate(contenders: Mapping[str, Callable[[], Figure]], rounds: int, warm_up: int = 2) -> dict[str, list[Figure]]:
    """`rounds` measurements of each, in turn and in changing order (A B, B A, …), so that drift hits all alike."""
    names = list(contenders)
    results: dict[str, list[Figure]] = {name: [] for name in names}
    for turn in range(-warm_up, rounds):
        for name in names if turn % 2 else reversed(names):
            figure = contenders[name]()
            if turn >= 0:
                results[name].append(figure)
    return results


def table(title: str, results: Mapping[str, list[float]]) -> str:
    """A Markdown table; the first contender is the reference of the ratios."""
    reference = next(iter(results.values()))
    lines = [
        f"### {title}",
        "",
        "| | n | median ms | p95 ms | ratio of medians | ratio of p95 |",
        "|---|---|---|---|---|---|",
    ]
    for name, values in results.items():
        median, p95 = statistics.median(values), quantile95(values)
        ratios = f"{median / statistics.median(reference):.2f} | {p95 / quantile95(reference):.2f}"
        lines.append(f"| {name} | {len(values)} | {median * 1e3:.2f} | {p95 * 1e3:.2f} | {ratios} |")
    return "\n".join(lines)


def quantile95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]
