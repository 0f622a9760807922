from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import yaml

from aiops.model import Signal
from aiops.packs import Form, Recipe
from aiops.packs.load import built_in, parse_pack, parse_recipes

PAGE = (Path(__file__).parents[2] / "docs" / "signal_packs.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)


def test_every_pack_form_and_key_is_on_the_page():
    assert set(built_in()) <= set(ROWS)
    assert set(get_args(Form)) <= set(ROWS)
    keys = {field.name for kind in (Recipe, Signal) for field in fields(kind)} - {"pack", "name"}
    assert keys <= set(ROWS)


def test_the_page_names_nothing_that_is_not_there():
    keys = {field.name for kind in (Recipe, Signal) for field in fields(kind)}
    assert set(ROWS) == set(built_in()) | set(get_args(Form)) | keys - {"pack", "name"}


def test_every_example_of_the_page_is_taken():
    own, shared, pack = (yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
    (recipe,) = parse_recipes(own["signals"], "page")
    assert recipe.signal.pages
    (recipe,) = parse_recipes(shared["signals"], "page")
    assert recipe.signal == built_in()["otel_http"].recipes[0].signal
    assert len(parse_pack(pack, "page").recipes) == 2
