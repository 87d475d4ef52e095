"""Parts of an HTML page. They are elements of a tree until the end, so that no name can be taken for markup."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from augx.errors import printable
from augx.review.spread import Histogram

_STYLE = """
:root { color-scheme: light dark; --ink: #222; --faint: #6b6b6b; --line: #ddd; --bar: #7aa6d6; --paper: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --faint: #9a9a9a; --line: #3a3a3a; --bar: #4f7fb5; --paper: #181818 } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper) }
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 1rem }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem } h1, h3, h4, td, p, figcaption { overflow-wrap: anywhere }
h4 { font-size: .9rem; font-weight: normal; color: var(--faint); margin: .75rem 0 .25rem }
p, small { color: var(--faint); margin: .25rem 0 } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; font-weight: normal }
th { color: var(--faint) } .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }
.cells { display: flex; flex-wrap: wrap; gap: .6rem; align-items: flex-end }
figure { margin: 0; width: 192px } figure img { display: block; max-width: 192px; max-height: 192px; margin: 0 auto }
figcaption { font-size: .75rem; text-align: center; color: var(--faint) }
.strip { display: flex; gap: 1rem; margin: .8rem 0 } .strip > div:first-child { width: 13rem; flex: none }
.strip h3 { margin: 0 } .charts { display: flex; flex-wrap: wrap; gap: 1rem 2rem }
.bar { background: var(--bar); height: .7rem; min-width: 1px } .had { background: var(--faint) }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem }
.swatch { display: inline-block; width: 1.4rem; height: .7rem; margin-right: .35rem }
svg { display: block } rect { fill: var(--bar) } polyline { fill: none; stroke: var(--ink); stroke-width: 1.5 }
"""

_WIDTH, _HEIGHT = 240, 70


def part(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An element with text and elements in it; ``class_`` stands for class. Text is shown as ``printable`` gives it."""
    element = Element(tag, {name.rstrip("_"): value for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or "") + printable(child)
        else:
            element.text = (element.text or "") + printable(child)
    return element


def page(title: str, mark: str, children: Iterable[Element]) -> bytes:
    """A whole page; ``mark`` names its maker. Its policy lets it load nothing but the pictures inside it."""
    head = Element("head")
    SubElement(head, "meta", charset="utf-8")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head.append(part("meta", **{"http-equiv": "Content-Security-Policy", "content": policy}))
    head.append(part("meta", name="generator", content=mark))
    head.append(part("meta", name="viewport", content="width=device-width, initial-scale=1"))
    head.append(part("link", rel="icon", href="data:,"))
    head.append(part("title", title))
    style = SubElement(head, "style")
    style.text = _STYLE
    root = part("html", head, part("body", *children), lang="en")
    return b"<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html").encode("utf-8") + b"\n"


def picture(jpeg: bytes, caption: str) -> Element:
    """A picture inside the page, with a line under it."""
    data = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
    return part("figure", part("img", src=data, alt=caption), part("figcaption", caption))


def table(heads: Sequence[str], rows: Iterable[Sequence[Element | str | int]]) -> Element:
    """A table; whole numbers stand right."""
    body = part("tbody")
    numbers: set[int] = set()
    for row in rows:
        numbers |= {i for i, cell in enumerate(row) if isinstance(cell, int)}
        cells = [part("td", f"{cell:,}", class_="n") if isinstance(cell, int) else part("td", cell) for cell in row]
        body.append(part("tr", *cells))
    ends = [part("th", head, class_="n") if i in numbers else part("th", head) for i, head in enumerate(heads)]
    return part("table", part("thead", part("tr", *ends)), body)


def bars(before: int, after: int, most: int) -> Element:
    """Two numbers as bars, in proportion to the largest of the page."""
    width = [f"width: {100 * n / max(most, 1):.2f}%" for n in (before, after)]
    return part("div", part("div", class_="bar had", style=width[0]), part("div", class_="bar", style=width[1]), style="width: 14rem")


def chart(found: Histogram) -> Element:
    """Drawn counts as bars, and over them the declared distribution as a line."""
    n = int(found.counts.sum())
    shares = found.counts / max(n, 1)
    top = max(float(shares.max()), float(found.declared.max()), 1e-9)
    step = _WIDTH / len(shares)
    drawing = part("svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", width=str(_WIDTH), height=str(_HEIGHT), role="img")
    drawing.append(part("title", f"{found.param}: {n} drawn values, and the declared distribution as a line"))
    for i, share in enumerate(shares.tolist()):
        height = share / top * (_HEIGHT - 4)
        box = {"x": i * step + 0.5, "y": _HEIGHT - height, "width": max(step - 1, 0.5), "height": height}
        drawing.append(part("rect", **{name: f"{value:.2f}" for name, value in box.items()}))
    ys = _HEIGHT - found.declared / top * (_HEIGHT - 4)
    points = " ".join(f"{x:.1f},{y:.1f}" for i, y in enumerate(ys.tolist()) for x in (i * step, (i + 1) * step))
    drawing.append(part("polyline", points=points))
    ends = (found.names[0], found.names[-1]) if found.edges is None else (f"{found.edges[0]:.4g}", f"{found.edges[-1]:.4g}")
    # Of fewer, so many lie elsewhere by chance alone that the number would only alarm.
    off = f", {np.abs(shares - found.declared).sum() / 2:.1%} in another bin than declared" if n >= 40 * len(shares) else ""
    facts = f"{found.param}: {ends[0]} to {ends[1]}" + (f", {found.unit}" if found.unit else "")
    return part("div", drawing, part("small", facts), part("br"), part("small", f"{n:,} drawn{off}"))
