"""Reads `mows.yaml` and the environment. The only place that does.

``MOWS_SECTION__KEY=value`` overrides one key, deeper keys with more double underscores; the value is YAML, so lists and
mappings can be given in flow style: ``MOWS_CACHE__TIERS='[{path: /dev/shm/mows, capacity: 8GiB}]'``. A variable with a
double underscore that names no key is an error. Other ``MOWS_`` variables are left alone: Kubernetes sets some for
every Service whose name begins so (``MOWS_PEERS_SERVICE_HOST``).
"""

from __future__ import annotations

import types
from collections.abc import Hashable, Mapping
from pathlib import Path

import yaml

from mows.config.binding import Place, bind
from mows.config.sections import Config
from mows.errors import ConfigError

PREFIX = "MOWS_"
SEPARATOR = "__"


def load_config(path: Path, environment: Mapping[str, str] = types.MappingProxyType({})) -> Config:
    """The configuration in `path`, overridden by `environment`. Blocks on the disk. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}", hint="name the file with --config FILE"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text", hint="save the file as UTF-8") from error
    return parse_config(text, str(path), environment)


def parse_config(text: str, name: str, environment: Mapping[str, str] = types.MappingProxyType({})) -> Config:
    """As `load_config`, from text; `name` stands for the file in messages."""
    raw = _parse(text, name)
    if raw is None:
        raw = {}
    if not isinstance(raw, dict):
        raise ConfigError(f"{name}: is not a mapping of sections", hint="begin with a section, for example 'cache:'")
    overrides: dict[str, str] = {}
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and SEPARATOR in variable:
            keys = variable.removeprefix(PREFIX).lower().split(SEPARATOR)
            _override(raw, keys, _parse(environment[variable], variable), variable)
            overrides[".".join(keys)] = variable
    return bind(Config, raw, Place(name, overrides))


def _override(tree: dict[str, object], keys: list[str], value: object, variable: str) -> None:
    *parents, last = keys
    for key in parents:
        below = tree.setdefault(key, {})
        if below is None:
            below = tree[key] = {}
        if not isinstance(below, dict):
            raise ConfigError(
                f"{variable}: {key} holds no named keys",
                hint=f"give the whole of {key} as YAML: {PREFIX}...{key.upper()}",
            )
        tree = below
    tree[last] = value


class _Loader(yaml.SafeLoader):
    """YAML in which writing a key twice is an error: PyYAML alone keeps the second in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:  # noqa: FBT001, FBT002 PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.MarkedYAMLError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def _parse(text: str, name: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f":{error.problem_mark.line + 1}"
        raise ConfigError(f"{name}{line}: {error.problem}", hint="correct the YAML in this line") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: is not YAML: {error}", hint="correct the YAML") from error
