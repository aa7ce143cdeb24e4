"""The command line: options and help texts. What a command does is in the module of its name."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="cairn",
    help="See and use a running Cairn stack.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

StackOption = Annotated[
    str | None,
    typer.Option(
        "--stack", "-s", help="The stack's name; else the environment's (cairn env), else CAIRN_STACK, else local."
    ),
]


@app.command()
def status(stack: StackOption = None) -> None:
    """Services, capacity, what waits and why, endpoints."""
    from cairn.cli.status import show_status

    show_status(stack)


@app.command()
def env(
    stack: StackOption = None,
    principal: Annotated[
        str | None, typer.Option("--as", help="One of cairn:principals in the stack's config; else the admin.")
    ] = None,
) -> None:
    """Shell exports with which any tool joins the stack: eval "$(cairn env)"."""
    from cairn.cli.env import show_env

    show_env(stack, principal)


@app.command()
def jobs(stack: StackOption = None) -> None:
    """Custom and batch prediction jobs: state, age, cost."""
    from cairn.cli.jobs import show_jobs

    show_jobs(stack)


@app.command()
def logs(
    job: Annotated[str, typer.Argument(help="The job's id, resource name or display name (the newest of that name).")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    stack: StackOption = None,
) -> None:
    """What a job has printed."""
    from cairn.cli.jobs import show_logs

    show_logs(stack, job, follow)


@app.command()
def usage(stack: StackOption = None) -> None:
    """What each job has used, and its price."""
    from cairn.cli.usage import show_usage

    show_usage(stack)


PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="What encrypts it; else CAIRN_BACKUP_PASSPHRASE, else you are asked."),
]


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it appears once it is whole.")],
    stack: StackOption = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """The whole stack in one encrypted file: databases, objects, Pulumi's state and config."""
    from cairn.cli.backup import make_backup

    make_backup(stack, file, passphrase_file)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `cairn backup` wrote.")],
    stack: StackOption = None,
    passphrase_file: PassphraseOption = None,
    state_to: Annotated[
        Path | None,
        typer.Option("--state-to", help="Only take Pulumi's state, config and passphrase out, to a folder."),
    ] = None,
) -> None:
    """A backup into a stack that is up and empty, on whichever backend."""
    from cairn.cli.backup import restore_backup

    restore_backup(stack, file, passphrase_file, state_to)


@app.command()
def audit(
    principal: Annotated[str, typer.Option("--who", help="Only what this principal did.")] = "",
    resource: Annotated[str, typer.Option("--resource", help="Only what was done below this name.")] = "",
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many entries, newest first.")] = 50,
    stack: StackOption = None,
) -> None:
    """Who changed what, and who was refused (for the admin)."""
    from cairn.cli.audit import show_audit

    show_audit(stack, principal, resource, count)


@app.command(context_settings={"allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments: cairn run -- python train.py")],
    stack: StackOption = None,
) -> None:
    """Run a command whose Google SDKs and MLflow, unchanged, use the stack.

    Without an active virtual environment, `python` is the one that cairn is installed in.
    """
    from cairn.cli.run import run_command

    run_command(stack, command)
