"""``moodtape``: finds the command, turns our errors into one line and an exit code."""

import importlib
import sys

import click

from infra.errors import MoodtapeError

# command -> (module, one line of help); modules are imported only when called, so that --help is quick
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("services", "Start the embedded Kafka, PostgreSQL and Valkey."),
    "down": ("services", "Stop the embedded servers."),
    "status": ("services", "Show servers and processes."),
    "topics": ("topics", "Create the topics, or show how they differ."),
    "migrate": ("migrate", "Bring the database's schema up to date."),
    "instruments": ("instruments", "Load and list instruments."),
    "produce": ("produce", "Bring raw quotes and posts in from a source."),
    "stream": ("stream", "Run one stage of the flow."),
    "score": ("score", "Run the scorer."),
    "sink": ("sink", "Write topics to a store."),
    "api": ("api", "Serve HTTP."),
    "run": ("run", "Run everything of one machine under one supervisor."),
    "demo": ("demo", "Show the whole pipeline at work."),
    "record": ("record", "Make a recording of the raw topics."),
    "replay": ("replay", "Put the raw topics through the present code once more."),
    "state": ("state", "Show what a stage keeps of a symbol."),
    "dlq": ("dlq", "Look at dead letters."),
    "models": ("models", "List models, score texts."),
    "verify": ("verify", "Account for every record between topics and tables."),
    "lookahead-check": ("lookahead_check", "Look for figures that used more than was known."),
    "doctor": ("doctor", "Print settings and check this machine."),
}


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from ``moodtape.commands.<module>``, where it is called like itself."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"moodtape.commands.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup)
@click.version_option(package_name="moodtape")
def cli() -> None:
    """What is the crowd saying about this stock, and does it have anything to do with its price?"""


def main() -> None:
    """Entry point: a user's mistake is one line on standard error, never a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except MoodtapeError as error:
        click.echo(f"moodtape: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    sys.exit(code if isinstance(code, int) else 0)
