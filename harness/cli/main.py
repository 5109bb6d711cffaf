"""The command line's entry: commands, and the one place where errors become a line and an exit code.

Exit codes: 0 done, 2 wrong input (one line on stderr), 130 stopped by Ctrl-C and 143 by SIGTERM, resumable.
"""

from __future__ import annotations

import logging
import sys

import click

from harness import __version__
from harness.cli.cost import cost
from harness.cli.curves import curves
from harness.cli.listing import list_all, show
from harness.cli.run import run
from harness.cli.table import table
from harness.errors import HarnessError
from harness.plugins import Broken, discover


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Matched-pair benchmarks for video frame interpolation."""


cli.add_command(run)
cli.add_command(table)
cli.add_command(curves)
cli.add_command(cost)
cli.add_command(list_all)
cli.add_command(show)


def main() -> None:
    """Run the command line and exit."""
    logging.basicConfig(format="harness: %(levelname)s: %(message)s", level=logging.WARNING)
    _add_commands()
    try:
        code = cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        code = _fail(error.format_message())
    except HarnessError as error:
        code = _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _fail(f"{where}{error.strerror or error}")
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: stopped", err=True)
        code = 130
    sys.stdout.flush()
    sys.exit(code if isinstance(code, int) else 0)


def _fail(line: str) -> int:
    click.echo(f"harness: error: {' '.join(line.split())}", err=True)
    return 2


def _add_commands() -> None:
    """Third parties' commands; one that fails is left out, and `harness list` says why."""
    plugins = discover()
    for origin, implementation in plugins.implementations("harness_commands"):
        try:
            implementation(cli)
        except Exception as error:
            plugins.broken.append(Broken(origin, f"harness_commands: {type(error).__name__}: {error}"))
