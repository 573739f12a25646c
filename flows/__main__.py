"""The command line: python -m flows STAGE [--corpus NAME], or one of the commands beside the stages."""

import argparse
import sys

from flows import commands
from flows.catalogue import stages
from flows.quiet import quiet
from mfer_core.base.errors import MferError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows", description="Run one stage of the pipeline, or one of its commands."
    )
    choices = parser.add_subparsers(dest="command", required=True, metavar="STAGE|COMMAND")
    for stage in stages().values():
        arguments = choices.add_parser(stage.name, help=stage.summary, description=stage.summary)
        if stage.per_corpus:
            arguments.add_argument("--corpus", required=True, help="a key of `corpora` in params.yaml")
    for name, add in commands.COMMANDS.items():
        add(choices.add_parser(name, help=commands.summary(name), description=commands.summary(name)))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run what was asked; returns the exit status. A fault that a person can mend is one line on stderr and status 1."""
    quiet()
    name = ""
    try:
        options = vars(_parser().parse_args(arguments))
        name = options.pop("command")
        if run := options.pop("run", None):
            return run(**options) or 0
        from flows.stage import run_stage

        run_stage(name, **options)
    except MferError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "stopped" if name in commands.COMMANDS else "stopped; the next run goes on where this one ended",
            file=sys.stderr,
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
