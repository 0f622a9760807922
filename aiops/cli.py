"""The command line. Each command imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from aiops import __version__

app = typer.Typer(
    name="aiops",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

ConfigFile = Annotated[Path, typer.Option("--config", "-c", help="Configuration file (YAML).")]
Url = Annotated[str, typer.Option("--prometheus", help="Base address of the Prometheus, without /api/v1.")]


class Role(StrEnum):
    """What a worker on Kafka does."""

    GATEWAY = "gateway"
    DETECT = "detect"
    TRIAGE = "triage"
    DELIVER = "deliver"
    ALL = "all"


StorePlace = Annotated[str, typer.Option("--store", help="SQLite file of the service, or its postgresql:// address.")]
Service = Annotated[str, typer.Option("--url", help="Address of the running service.")]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with the token of the service.")]
Format = Annotated[Literal["text", "json"], typer.Option("--format", help="How to print.")]


def _say_version(asked: bool) -> None:  # noqa: FBT001 typer calls it so
    if asked:
        typer.echo(f"aiops {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Detects incidents in Prometheus data, ranks their root cause, and tells on-call once."""


@app.command()
def run(
    config: ConfigFile = Path("aiops.yaml"),
    role: Annotated[list[Role] | None, typer.Option(help="What this worker does on Kafka; may be given again.")] = None,
) -> None:
    """Run the service, or one worker of it on Kafka.

    Until Ctrl-C or SIGTERM: one process for all, or a worker where `kafka` is set.
    """
    from aiops.commands.service import run_service

    run_service(config, [one.value for one in role or ()])


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option(help="Stop after the first incident and print it.")] = False,
    output: Format = "text",
    port: Annotated[int, typer.Option(help="Port of the page; 0 = any free one.")] = 8080,
    seed: Annotated[int, typer.Option(help="Seed of the simulated shop.")] = 7,
) -> None:
    """Run it on a simulated shop where one deploy goes wrong."""
    from aiops.commands.demonstration import run_demo

    run_demo(once=once, output=output, port=port, seed=seed)


@app.command()
def init(
    prometheus: Url,
    output: Annotated[Path, typer.Option(help="Configuration file to write.")] = Path("aiops.yaml"),
    *,
    force: Annotated[bool, typer.Option(help="Overwrite the file.")] = False,
) -> None:
    """Look at a Prometheus and write a commented configuration.

    Says what would be watched, and what that costs.
    """
    from aiops.commands.setup import write_config

    write_config(prometheus, output, force=force)


@app.command("check-config")
def check_config(config: Annotated[Path, typer.Argument(help="Configuration file (YAML).")]) -> None:
    """Check a configuration file and say what it means."""
    from aiops.commands.setup import check

    check(config)


@app.command()
def replay(
    *,
    prometheus: Annotated[str, typer.Option("--prometheus", help="Base address of the Prometheus.")] = "",
    start: Annotated[str, typer.Option(help="First moment, RFC 3339 or like 2d or 6h ago.")] = "",
    end: Annotated[str, typer.Option(help="Last moment; default: now.")] = "",
    file: Annotated[Path | None, typer.Option(help="Replay file instead of a Prometheus.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Settings for packs, graph and budgets.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Also write what was read as a replay file.")] = None,
    alerts_only: Annotated[bool, typer.Option("--alerts-only", help="Group alerts, detect nothing: seconds.")] = False,
    output: Format = "text",
) -> None:
    """Print the incidents that history would have caused."""
    from aiops.commands.history import run_replay

    run_replay(
        prometheus=prometheus,
        start=start,
        end=end,
        file=file,
        settings_file=config,
        save=save,
        only_alerts=alerts_only,
        output=output,
    )


@app.command()
def score(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Parquet or CSV: [series,] timestamp, value.")],
    output: Annotated[Path, typer.Option(help="Parquet or CSV to write.")],
    *,
    joint: Annotated[bool, typer.Option(help="INPUT has several channel columns, scored together.")] = False,
    page_budget: Annotated[float, typer.Option(help="False pages per series and 30 days.")] = 1.0,
) -> None:
    """Score series of a file: rarity, expected band, pages.

    Strictly causal: no score knows of later samples.
    """
    from aiops.commands.files import score_file

    score_file(source, output, joint=joint, page_budget=page_budget)


@app.command()
def rank(
    cases: Annotated[list[Path], typer.Argument(metavar="CASE_DIR...", help="Case folders.")],
    output: Annotated[Path | None, typer.Option(help="File for the JSON lines; default: standard output.")] = None,
) -> None:
    """Rank services of case folders by how likely the cause."""
    from aiops.commands.files import rank_cases

    rank_cases(cases, output)


@app.command()
def export(
    incident: Annotated[str, typer.Argument(help="Id of the incident, or the beginning of it.")],
    folder: Annotated[Path, typer.Argument(help="Case folder to write.")],
    store: StorePlace = "aiops.sqlite",
) -> None:
    """Write what the ranker saw of an incident to a folder."""
    from aiops.commands.incidents import export_case

    export_case(incident, folder, store)


@app.command()
def explain(
    incident: Annotated[str, typer.Argument(help="Id of the incident, or the beginning of it.")],
    store: StorePlace = "aiops.sqlite",
    output: Format = "text",
) -> None:
    """Say why each suspect of an incident was named."""
    from aiops.commands.incidents import explain_incident

    explain_incident(incident, store, output=output)


@app.command()
def migrate(
    store: StorePlace = "aiops.sqlite",
    to: Annotated[str, typer.Option(help="Revision to go to, such as 0002; the newest one by default.")] = "",
) -> None:
    """Bring tables of a store to another revision, up or down.

    The service does the way up by itself.
    """
    from aiops.commands.migrate import migrate_tables

    migrate_tables(store, to)


@app.command()
def verdict(
    incident: Annotated[str, typer.Argument(help="Id of the incident.")],
    answer: Annotated[Literal["real", "noise", "expected"], typer.Argument(help="What it was.")],
    *,
    who: Annotated[str, typer.Option(help="Your name; it is kept with the verdict.")],
    note: Annotated[str, typer.Option(help="Why, for others.")] = "",
    url: Service = "http://127.0.0.1:8080",
    token_file: TokenFile = None,
) -> None:
    """Say what an incident was, see which rules that changes."""
    from aiops.commands.verdicts import give_verdict

    give_verdict(incident, answer, who=who, note=note, url=url, token_file=token_file)


@app.command()
def verdicts(
    *,
    incident: Annotated[str, typer.Option(help="Only those on this incident.")] = "",
    undo: Annotated[str, typer.Option(metavar="VERDICT", help="Take this one back, by a running service.")] = "",
    who: Annotated[str, typer.Option(help="Your name, for --undo.")] = "",
    store: StorePlace = "aiops.sqlite",
    url: Service = "http://127.0.0.1:8080",
    token_file: TokenFile = None,
    output: Format = "text",
) -> None:
    """List what people said of incidents and what it changed."""
    from aiops.commands.verdicts import list_verdicts, undo_verdict

    if undo:
        undo_verdict(undo, who=who, url=url, token_file=token_file)
    else:
        list_verdicts(store, incident=incident, output=output)


@app.command()
def postmortem(
    incident: Annotated[str, typer.Argument(help="Id of the incident, or the beginning of it.")],
    output: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    store: StorePlace = "aiops.sqlite",
) -> None:
    """Write all that is known of an incident as Markdown."""
    from aiops.commands.reports import write_postmortem

    write_postmortem(incident, store, output)


@app.command("noise-report")
def noise_report(
    days: Annotated[float, typer.Option(help="How many days back.")] = 7.0,
    output: Annotated[Path | None, typer.Option(help="File to write; default: standard output.")] = None,
    store: StorePlace = "aiops.sqlite",
) -> None:
    """Write what the last days cost people, as Markdown.

    Pages, how many were worth it, what was held back.
    """
    from aiops.commands.reports import write_noise_report

    write_noise_report(days, store, output)


@app.command("dead-letters")
def dead_letters(
    *,
    replay: Annotated[bool, typer.Option("--replay", help="Have a running service try them again.")] = False,
    key: Annotated[list[str] | None, typer.Option(help="With --replay: only these.")] = None,
    store: StorePlace = "aiops.sqlite",
    url: Service = "http://127.0.0.1:8080",
    token_file: TokenFile = None,
    output: Format = "text",
) -> None:
    """List notifications that were given up, or retry them."""
    from aiops.commands.delivery import list_dead_letters, replay_dead_letters

    if replay:
        replay_dead_letters(key or [], url=url, token_file=token_file)
    else:
        list_dead_letters(store, output=output)


@app.command()
def suppressed(
    *,
    since: Annotated[str, typer.Option(help="RFC 3339, or like 7d for seven days ago.")] = "1d",
    incident: Annotated[str, typer.Option(help="Only what is listed in this incident.")] = "",
    store: StorePlace = "aiops.sqlite",
    output: Format = "text",
) -> None:
    """List what nobody was told of by itself, and why."""
    from aiops.commands.delivery import list_suppressed
    from aiops.commands.history import time_ms

    list_suppressed(store, since_ms=time_ms(since, "--since"), incident=incident, output=output)


silence = typer.Typer(help="List, propose, make and end silences of Alertmanager.", no_args_is_help=True)
app.add_typer(silence, name="silence")

Who = Annotated[str, typer.Option(help="Your name.")]
Lasts = Annotated[str, typer.Option("--for", help="How long, such as 30m, 2h or 1d.")]
Matchers = Annotated[list[str] | None, typer.Option("--matcher", help="Such as service=cart; may be given again.")]
OfIncident = Annotated[str, typer.Argument(help="Incident that it is for, instead of matchers.")]
Comment = Annotated[str, typer.Option(help="Why.")]


@silence.command("list")
def silence_list(url: Service = "http://127.0.0.1:8080", token_file: TokenFile = None, output: Format = "text") -> None:
    """List what is silenced now, and by whom."""
    from aiops.commands.silences import list_silences

    list_silences(url=url, token_file=token_file, output=output)


@silence.command("create", help="Make a silence in Alertmanager, for an incident or for matchers.")
@silence.command("propose", help="Say which silence would be made; makes none.")
def silence_make(
    context: typer.Context,
    incident: OfIncident = "",
    *,
    who: Who,
    matcher: Matchers = None,
    lasts: Lasts = "2h",
    comment: Comment = "",
    url: Service = "http://127.0.0.1:8080",
    token_file: TokenFile = None,
) -> None:
    """Make a silence, or only say what it would be: two commands with the same options."""
    from aiops.commands.silences import make_silence

    is_proposal = context.command.name == "propose"
    make_silence(
        incident, matcher or [], lasts, who=who, comment=comment, propose=is_proposal, url=url, token_file=token_file
    )


@silence.command("expire")
def silence_expire(
    silence_id: Annotated[str, typer.Argument(help="Its id.")],
    *,
    who: Who,
    url: Service = "http://127.0.0.1:8080",
    token_file: TokenFile = None,
) -> None:
    """End a silence now."""
    from aiops.commands.silences import end_silence

    end_silence(silence_id, who=who, url=url, token_file=token_file)


@app.command()
def audit(url: Service = "http://127.0.0.1:8080", token_file: TokenFile = None, output: Format = "text") -> None:
    """List who pressed which button, and who silenced what."""
    from aiops.commands.silences import list_audit

    list_audit(url=url, token_file=token_file, output=output)


@app.command()
def doctor(config: ConfigFile = Path("aiops.yaml"), output: Format = "text") -> None:
    """Check all the service needs, and say what to do."""
    from aiops.commands.doctor import require_well

    require_well(config, output=output)
