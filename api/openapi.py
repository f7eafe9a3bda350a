"""``python -m api.openapi`` writes ``api/openapi.json``, the description of the API that ships with the code."""

import json
from pathlib import Path

from infra.endpoints import Endpoints
from infra.settings import load_settings

from .app import create_app

PATH = Path(__file__).with_name("openapi.json")


def document() -> str:
    """The description as the committed file has it."""
    app = create_app(load_settings(), Endpoints(kafka="", database="", redis=""))
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(document(), "utf-8")
