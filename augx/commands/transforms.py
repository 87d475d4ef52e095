"""``augx transforms``: what a spec may name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from augx.catalogue import Entry


@click.command(short_help="List every transform and policy, or explain some.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--markdown", is_flag=True, help="Print the whole catalogue as a page of Markdown.")
def transforms(names: tuple[str, ...], markdown: bool) -> None:
    """List every transform and policy, or explain those that are named."""
    from augx.catalogue import SECTIONS, WORDS, as_markdown, catalogue

    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    entries = list(catalogue())
    found = {entry.name: entry for entry in entries}
    for i, name in enumerate(names):
        if name not in found and name not in SECTIONS and name not in WORDS:
            from augx.wording import known_elsewhere, nearest

            ours = known_elsewhere(name)
            hint = f" (here it is called {ours})" if ours else nearest(name, [*found, *WORDS])
            raise click.UsageError(f"no transform is called {name!r}{hint}; `augx transforms` lists them all")
        text = found[name].as_text() if name in found else WORDS.get(name)
        click.echo("\n" * (i > 0) + text if text else _listed(entries, [name]))
    if not names:
        click.echo(_listed(entries, SECTIONS))


def _listed(entries: Sequence[Entry], sections: Iterable[str]) -> str:
    from augx.catalogue import SECTIONS

    width = max(len(entry.name) for entry in entries)
    lines: list[str] = []
    for section in sections:
        lines.append(f"{section} ({SECTIONS[section]})")
        family = ""
        for entry in entries:
            if entry.section == section:
                if entry.family != family and section != "policy":
                    family = entry.family
                    lines.append(f"  {family}")
                lines.append(f"    {entry.name:<{width}}  {entry.summary.replace('``', '')}")
    return "\n".join(lines)
