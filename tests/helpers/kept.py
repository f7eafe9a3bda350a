"""What a supervisor serves of those that it keeps running."""

from prometheus_client import REGISTRY

from infra.metrics import PROCESS_RESTARTS, PROCESS_RUNNING


def shown(name: str) -> tuple[float | None, float | None]:
    """Whether a process or server is shown to run, and how often it is shown to have been started again."""
    labels = {"name": name}
    running = REGISTRY.get_sample_value("moodtape_process_running", labels)
    return running, REGISTRY.get_sample_value("moodtape_process_restarts_total", labels)


def forget() -> None:
    """Show nothing of anybody."""
    PROCESS_RUNNING.clear()
    PROCESS_RESTARTS.clear()
