"""The alerting rules speak of metrics that exist, and the page for those on call speaks of every rule."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY

import infra.metrics  # noqa: F401  # registers ours

ROOT = Path(__file__).parents[2]
RULES = [
    rule for group in yaml.safe_load((ROOT / "infra" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
OURS = re.compile(r"\b(?:moodtape|kafka)_\w+")


def served() -> set[str]:
    """Names of the samples that a process of ours serves."""
    names = set()
    for metric in REGISTRY.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(metric.type, [""])
        names |= {metric.name + suffix for suffix in suffixes}
    return names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_speaks_of_metrics_that_are_served(rule: dict[str, str]) -> None:
    """No rule can be silent for ever because of a name."""
    spoken = set(OURS.findall(rule["expr"])) | ({"up"} if "up{" in rule["expr"] else set())
    assert spoken
    assert spoken <= served() | {"up"}


def test_every_alert_and_metric_is_explained() -> None:
    """docs/operations.md has a section for each alert and a line for each metric."""
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [rule["alert"] for rule in RULES if f"### {rule['alert']}" not in text] == []
    ours = {name for name in (m.name for m in REGISTRY.collect()) if OURS.match(name)}
    assert sorted(name for name in ours if name not in text) == []
