"""The growth curves: each has data, a plot and the drawing that was made of it."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import growth, plots

CIRCLE = "{http://www.w3.org/2000/svg}circle"


def test_every_curve_has_a_plot() -> None:
    assert set(plots.PLOTS) == set(growth.CURVES)


def test_each_point_is_drawn_and_one_that_has_no_place_is_left_out() -> None:
    plot = plots.Plot("a < b", "n", (("up", "one"), ("down", "two")))
    rows = [{"n": 1, "up": 2.0, "down": 0.0}, {"n": 10, "up": 20.0, "down": 5.0}, {"n": 100, "up": 30.0, "down": 1.0}]
    circles = list(ET.fromstring(plots.drawing(plot, rows)).iter(CIRCLE))
    assert len(circles) == 5
    assert float(circles[0].attrib["cx"]) < float(circles[1].attrib["cx"])
    assert float(circles[0].attrib["cy"]) > float(circles[1].attrib["cy"])


@pytest.mark.parametrize("name", sorted(plots.PLOTS))
def test_the_drawing_in_the_repository_is_that_of_its_data(name: str) -> None:
    data: Path = growth.RESULTS / f"{name}.json"
    assert data.with_suffix(".svg").read_text() == plots.drawing(plots.PLOTS[name], json.loads(data.read_text()))
