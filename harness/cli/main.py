"""The command line's entry: commands, and the one place where errors become a line and an exit code.

Exit codes: 0 done, 1 a control that failed, 2 wrong input (one line on stderr), 130 stopped by Ctrl-C and 143 by
SIGTERM, resumable; 141 where nobody reads on, as after `| head`.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.cli import completion, defaults, memory, verbosity
from harness.cli.audit import audit
from harness.cli.bench import bench
from harness.cli.check import check
from harness.cli.common import say
from harness.cli.compare import compare
from harness.cli.config import config
from harness.cli.cost import cost
from harness.cli.curves import curves
from harness.cli.data import data
from harness.cli.differences import differences
from harness.cli.evaluate import evaluate
from harness.cli.gallery import gallery
from harness.cli.interpolate import interpolate
from harness.cli.licences import licences
from harness.cli.listing import list_all
from harness.cli.masks import masks
from harness.cli.new import new
from harness.cli.replay import replay
from harness.cli.rows import rows
from harness.cli.run import run
from harness.cli.runs import runs
from harness.cli.show import show
from harness.cli.site import site
from harness.cli.streams import drop_unwritten, open_streams, unread
from harness.cli.suite import suite
from harness.cli.table import table
from harness.cli.weights import weights
from harness.errors import HarnessError
from harness.printable import printable
from harness.registry.blame import blame
from harness.registry.plugins import FAULTS, Broken, discover, in_one_line

UNREAD = 128 + signal.SIGPIPE


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Not left to click, for which every broken pipe is that of the output; with the defaults of a file."""
        if not ctx.params["no_defaults"]:
            ctx.obj = defaults.read(self)
            ctx.default_map = dict(ctx.obj.values) if ctx.obj else None
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            if of_file := defaults.refused(error):
                raise of_file from error
            raise
        except OSError as error:
            if unread(error):
                raise SystemExit(UNREAD) from error
            raise HarnessError(_of_system(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("--no-defaults", is_flag=True, help="Leave harness.toml and [tool.harness] of pyproject.toml alone.")
def cli(no_defaults: bool) -> None:
    """Matched-pair benchmarks for video frame interpolation."""


WORK = (run, runs, suite, table, rows, curves, differences, gallery, site, audit, replay)
WITHOUT_PAIR = (evaluate, interpolate, compare, cost, bench, data, masks, weights)
for command in (*WORK, *WITHOUT_PAIR, list_all, show, config, licences, check, new):
    cli.add_command(command)
verbosity.give(cli)
completion.give(defaults.leaves(cli))


def main() -> None:
    """Run the command line and exit."""
    memory.set_up()
    open_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("harness: %(levelname)s: %(message)s"))
    handler.addFilter(Once())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    verbosity.route_warnings()
    try:
        Path.cwd()
    except OSError as error:  # libraries end the process as they look for it
        sys.exit(_fail(f"the current folder: {error.strerror}; go to one that is there and may be read"))
    _add_commands()
    try:
        code = cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.ClickException as error:
        code = _fail(error.format_message())
    except HarnessError as error:
        code = _fail(str(error))
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        code = UNREAD
    except OSError as error:
        code = UNREAD if unread(error) else _fail(_of_system(error))
    except _out_of_memory() as error:
        code = _fail(f"{str(error).partition('.')[0]}: a smaller batch or frame may fit; what was saved is kept")
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: stopped", err=True)
        code = 130
    except Exception as error:
        blamed = None if os.environ.get("HARNESS_TRACEBACK") else blame(error, discover())
        if blamed is None:
            raise
        code = _fail(f"{blamed} (HARNESS_TRACEBACK=1 shows the way there)")
    drop_unwritten()
    sys.exit(code if isinstance(code, int) else 0)


class Once(logging.Filter):
    """What a command has said already, of a damaged record that it meets again, it does not say again."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        line = record.getMessage()
        fresh = line not in self.said
        self.said.add(line)
        return fresh


class OneLine(logging.Formatter):
    """Messages hold names of files and clips."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of logging
        record.message = printable(record.message)
        return super().formatMessage(record)


def _of_system(error: OSError) -> str:
    """What the system refused, in one line."""
    where = f"{error.filename}: " if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "; free some space, then the same command goes on from here" if full else ""
    return f"{where}{error.strerror or error}{remedy}"


def _out_of_memory() -> tuple[type[Exception], ...]:
    """The GPU's error, where torch is in use at all."""
    torch = sys.modules.get("torch")
    return (torch.OutOfMemoryError,) if torch else ()


def _fail(line: str) -> int:
    with suppress(OSError):  # a closed or full stderr changes nothing of the exit code
        say(f"harness: error: {' '.join(line.split())}", err=True)
    return 2


def _add_commands() -> None:
    """Third parties' commands; one that fails is left out, and `harness list` says why."""
    plugins = discover()
    for origin, implementation in plugins.implementations("harness_commands"):
        before = dict(cli.commands)
        try:
            implementation(cli)
        except FAULTS as error:
            plugins.broken.append(Broken(origin, f"harness_commands: {in_one_line(error)}"))
        taken = [name for name, command in before.items() if cli.commands.get(name) is not command]
        cli.commands.update(before)
        for name in cli.commands.keys() - before.keys():
            verbosity.give(cli.commands[name])
        if taken:
            plugins.broken.append(Broken(origin, f"harness_commands: the command '{taken[0]}' is taken"))
