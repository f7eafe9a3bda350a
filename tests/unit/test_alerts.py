"""The alerting rules speak of metrics that exist, and the page for those on call speaks of every rule and metric."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase

from infra import metrics
from streams.topology import STAGES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
RULES = [
    rule for group in yaml.safe_load((ROOT / "infra" / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
OURS = re.compile(r"\b(?:moodtape|kafka)_\w+")
SELECTED = re.compile(r"(\w+)\{([^}]*)\}")
OF_TARGETS = {"process", "instance", "job"}
SINKS = ("timescale", "latest")


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


def in_code() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Our metrics as Prometheus stores them, with their labels."""
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (described,) = metric.describe()
            yield described.name + ("_total" if described.type == "counter" else ""), metric._labelnames


def on_the_page() -> Iterator[tuple[str, tuple[str, ...]]]:
    """The page's table of metrics."""
    for name, labels in re.findall(r"^\| `((?:moodtape|kafka)_\w+)` \| ([^|]*)\|", PAGE, re.MULTILINE):
        yield name, tuple(label.strip() for label in labels.split(",") if label.strip())


def test_the_page_has_the_metrics_of_the_code_and_no_others() -> None:
    """Each is in the table once, with its labels in their order."""
    assert sorted(on_the_page()) == sorted(in_code())


def test_every_alert_is_explained() -> None:
    """docs/operations.md has a section for each alert, and none for an alert that is not there."""
    explained = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(explained) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_selects_by_labels_that_there_are(rule: dict[str, str]) -> None:
    """No rule can be silent for ever because of a label."""
    known = dict(in_code())
    for name, matchers in SELECTED.findall(rule["expr"]):
        wanted = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', "", matchers)))
        assert wanted <= OF_TARGETS | set(known.get(name, ()))


def test_every_stage_and_sink_is_missed() -> None:
    """A stage without any worker, or a sink that ended for good, is told of by itself, whatever else runs."""
    (gone,) = (rule["expr"] for rule in RULES if rule["alert"] == "ProcessGone")
    missed = set(re.findall(r'absent_over_time\(up\{process="([\w-]+)"\}', gone))
    assert missed == {f"stream-{stage}" for stage in STAGES} | {f"sink-{sink}" for sink in SINKS}


def test_the_page_names_every_container() -> None:
    """What Prometheus shall scrape in Docker are the roles of ours that stay, each at the port that it listens on."""
    services = yaml.safe_load((ROOT / "docker-compose.kafka.yml").read_text())["services"]
    ours = {
        name: re.search(r"127\.0\.0\.1:(\d+)/readyz", str(service["healthcheck"]))
        for name, service in services.items()
        if service.get("image") == "moodtape:local" and name != "init" and "profiles" not in service
    }
    wanted = {f"{name}:{port[1]}" for name, port in ours.items() if port}
    assert len(wanted) == len(ours)
    assert set(re.findall(r'"([\w-]+:\d+)"', PAGE)) == wanted


def test_the_rules_fire_and_end_as_they_should() -> None:
    """Prometheus' own tool plays series to them and looks at which moments they fire, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here; the tests above read the rules as text")
    file = Path(__file__).with_name("alerts_promtool.yml")
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
