"""Charts: their axes, labels and densities."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from a2ls_dsl.report import svg
from a2ls_dsl.report.charts import Curve, grouped, learning, smoothed
from a2ls_dsl.report.charts_parts import Bar, intervals
from a2ls_dsl.report.statistics import Interval


def test_groups_hold_every_score_once() -> None:
    generations = np.repeat(np.arange(1, 31), 10)
    scores = np.arange(300.0)
    groups = grouped(generations, scores)
    assert len(groups) == 12
    assert sorted(np.concatenate([group.scores for group in groups])) == list(scores)
    assert groups[0].label == "1-3"
    assert [group.label for group in grouped(generations[:20], scores[:20])] == ["1", "2"]


def test_a_smoothed_density_is_high_where_scores_are() -> None:
    scores = np.concatenate([np.full(90, 10.0), [0.0, 100.0]]) + np.linspace(0, 1, 92)
    grid, density = smoothed(scores)
    assert density.max() == 1
    assert abs(grid[density.argmax()] - 10.5) < 3


def test_ticks_are_round_and_inside() -> None:
    assert svg.Scale(0, 1000, 0, 1).ticks(5) == [0, 200, 400, 600, 800, 1000]
    assert svg.Scale(-0.03, 0.11, 0, 1).ticks(3) == [0, 0.05, 0.1]
    assert svg.Scale(5, 5, 0, 1).ticks(3) == [5]
    assert [svg.number(value) for value in (0.5, 120, 20_000, 1.5e6)] == ["0.5", "120", "20k", "1.5M"]


def test_labels_keep_their_distance() -> None:
    placed = svg.spread([10.0, 11.0, 12.0, 90.0], 15, 0, 100)
    assert placed == [10.0, 25.0, 40.0, 90.0]
    assert svg.spread([99.0, 100.0], 15, 0, 100) == [85.0, 100.0]


def ticks(svg: str) -> list[float]:
    """The numbers on the axes of a chart."""
    texts = [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text")]
    matches = (re.fullmatch(r"[+-]?[0-9.]+k?", text) for text in texts)
    return [float(match[0].replace("k", "e3")) for match in matches if match]


def test_bands_of_few_seeds_dont_squash_the_curves() -> None:
    frames = np.arange(1.0, 6.0)
    mean = np.linspace(50, 90, 5)
    wide = Curve("two seeds", frames, mean, mean - 600, mean + 900, 2)
    svg = learning([wide], [], 900.0)
    assert max(ticks(svg)) <= 100
    assert min(ticks(svg)) >= -10
    points = re.findall(r'<path d="M([^"]*)" class="band', svg)[0]
    heights = [float(pair.split()[1]) for pair in re.findall(r"[0-9.]+ [0-9.]+", points)]
    assert min(heights) >= 26 - 0.1  # the plot's upper edge
    assert max(heights) <= 320 - 40 + 0.1


def test_one_wide_interval_doesnt_set_the_axis() -> None:
    usual = [(f"pattern {i}", [Bar("", Interval(10.0 * i, 10.0 * i - 20, 10.0 * i + 20))]) for i in range(6)]
    wide = ("few losses", [Bar("", Interval(30.0, -4_000.0, 5_000.0))])
    svg = intervals([*usual, wide], "Patterns", "score", 900.0)
    assert max(map(abs, ticks(svg))) <= 200
    assert svg.count("arrow") == 2  # both of its ends go on
    assert "arrow" not in intervals(usual, "Patterns", "score", 900.0)
