"""The keys commands read are keys the daemon's models have."""

from typing import Any, get_type_hints

import pytest

from cli import documents
from mows.api import models, peer_models

TYPED = [name for name, kind in vars(documents).items() if hasattr(kind, "__required_keys__")]
MODELS = {"ErrorPart": "Failure"}
"""Where the two have different names: `cli.errors` has a Failure of its own."""


@pytest.mark.parametrize("name", TYPED)
def test_keys_are_those_of_the_models(name: str) -> None:
    model: Any = getattr(peer_models, MODELS.get(name, name), None) or getattr(models, MODELS.get(name, name))
    keys = get_type_hints(getattr(documents, name)).keys()
    assert keys
    assert keys <= model.model_fields.keys()
