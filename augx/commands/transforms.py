"""``augx transforms``: what a spec may name."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="Print the whole catalogue as a page of Markdown.")
def transforms(name: str | None, markdown: bool) -> None:
    """List every transform and policy, or explain the one called NAME."""
    from augx.catalogue import SECTIONS, as_markdown, catalogue

    if markdown:
        click.echo(as_markdown(), nl=False)
        return
    entries = list(catalogue())
    if name is not None:
        from augx.wording import nearest

        entry = next((entry for entry in entries if entry.name == name), None)
        if entry is None:
            hint = nearest(name, [entry.name for entry in entries])
            raise click.UsageError(f"no transform is called {name!r}{hint}; `augx transforms` lists them all")
        click.echo(entry.as_text())
        return
    width = max(len(entry.name) for entry in entries)
    for section, meaning in SECTIONS.items():
        click.echo(f"{section} ({meaning})")
        for entry in entries:
            if entry.section == section:
                click.echo(f"  {entry.name:<{width}}  {entry.summary.replace('``', '')}")
