"""Building blocks of a page that needs nothing but itself: cards, tables, plots, one style sheet."""

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light; --ink:#1b2330; --muted:#66707f; --line:#e4e8ee; --soft:#f6f8fa;
  --good:#1f8a5b; --bad:#c0392b; }
* { box-sizing: border-box; }
body { margin:0; background:var(--soft); color:var(--ink);
  font:14px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif; }
main { max-width:1120px; margin:0 auto; padding:28px 24px 56px; }
h1 { font-size:24px; margin:0 0 2px; letter-spacing:-.01em; }
h2 { font-size:15px; margin:34px 0 10px; }
.lead { color:var(--muted); margin:0 0 18px; }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(150px,1fr)); gap:12px; }
.card, .panel { background:#fff; border:1px solid var(--line); border-radius:10px; }
.card { padding:12px 14px; }
.card .label { color:var(--muted); font-size:12px; }
.card .value { font-size:20px; font-weight:600; font-variant-numeric:tabular-nums; white-space:nowrap; }
.card .note { color:var(--muted); font-size:12px; }
.good { color:var(--good); } .bad { color:var(--bad); }
.plots { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr)); gap:14px; }
.panel { padding:12px; overflow-x:auto; }
.panel svg { width:100%; height:auto; display:block; }
.columns { display:grid; grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr)); gap:14px;
  align-items:start; }
table { border-collapse:collapse; width:100%; font-variant-numeric:tabular-nums; }
th, td { padding:5px 10px; border-bottom:1px solid var(--line); text-align:right; white-space:nowrap; }
th:first-child, td:first-child { text-align:left; }
.columns td:first-child { white-space:normal; overflow-wrap:anywhere; }
th { color:var(--muted); font-weight:500; font-size:12px; }
tr:last-child td { border-bottom:0; }
td.text, th.text { text-align:left; white-space:normal; overflow-wrap:anywhere; }
code { font:12px ui-monospace,SFMono-Regular,Menlo,monospace; overflow-wrap:anywhere; }
.banner { border-radius:10px; padding:10px 14px; margin:0 0 16px; background:#fdecea;
  border:1px solid #f3c1bb; color:#7a1f15; }
.empty { color:var(--muted); padding:6px 2px; }
footer { color:var(--muted); margin-top:34px; font-size:12px; }
@media (max-width:600px) { main { padding:18px 12px 40px; } th, td { padding:5px 7px; }
  .facts td:first-child { white-space:normal; } }
@media print { body { background:#fff; } .panel, .card { break-inside:avoid; } }
"""


class Html(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    parts = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><main>\n{parts}\n</main></body></html>\n"
    )


def card(label: str, value: str, *, note: str = "", tone: str = "") -> Html:
    """One headline figure."""
    return Html(
        f'<div class="card"><div class="label">{escape(label)}</div>'
        f'<div class="value {tone}">{markup(value)}</div><div class="note">{markup(note)}</div></div>'
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "none") -> Html:
    """A table in a panel; the first column is left-aligned, the others are figures."""
    lines = ["".join(f"<td>{markup(cell)}</td>" for cell in row) for row in rows]
    if not lines:
        return Html(f'<div class="panel"><div class="empty">{escape(empty)}</div></div>')
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return Html(f'<div class="panel"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def facts_table(rows: Iterable[tuple[str, str]]) -> Html:
    """Names and what they are, as text."""
    body = "".join(f'<tr><td>{escape(name)}</td><td class="text">{markup(value)}</td></tr>' for name, value in rows)
    return Html(f'<div class="panel"><table class="facts"><tbody>{body}</tbody></table></div>')


def section(title: str, *parts: str) -> Html:
    """A heading and what stands under it."""
    return Html(f"<h2>{escape(title)}</h2>\n" + "\n".join(parts))


def grid(kind: str, parts: Iterable[str]) -> Html:
    """`parts` side by side; `kind` is ``cards``, ``plots`` or ``columns``."""
    return Html(f'<div class="{kind}">' + "\n".join(parts) + "</div>")


def markup(text: str) -> str:
    """`text` escaped, unless it is markup already."""
    return text if isinstance(text, Html) else escape(text)
