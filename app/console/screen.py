"""The launcher's words on a terminal: a checklist, then a table that is redrawn in place."""

from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.console.board import Board, ServiceRow
from app.console.lines import signed
from app.report.tally import Tally

_MARKS = {"ok": ("✓", "green"), "wait": ("…", "yellow"), "warn": ("!", "yellow"), "fail": ("✗", "red")}
_STATES = {"ready": "green", "starting": "yellow", "restarting": "red", "stopped": "dim", "waiting": "dim"}
_SPARK = "▁▂▃▄▅▆▇█"
_SPARK_WIDTH = 48


class Screen:
    """Draws on a terminal; what is not in the table scrolls above it."""

    def __init__(self, out: TextIO) -> None:
        self._console = Console(file=out)
        self._live: Live | None = None
        self._equity: list[float] = []

    def check(self, name: str, text: str, *, mark: str = "ok") -> None:
        """One line of the start-up checklist."""
        # Assembled, not marked up: an error text may hold anything, brackets included.
        sign, style = _MARKS[mark]
        line = Text.assemble(" ", (sign, style), f" {name:<14} ", (text, "dim" if mark == "ok" else ""))
        self._console.print(line, soft_wrap=True)

    def note(self, text: str) -> None:
        """A line above the table."""
        self._console.print(Text(text, style="yellow"))

    def update(self, board: Board) -> None:
        """Redraw the table."""
        if board.phase == "starting":
            return
        if (equity := board.tally.equity) is not None:
            self._equity = [*self._equity, float(equity)][-10 * _SPARK_WIDTH :]
        if self._live is None:
            # Redrawn when told: a refresh thread would only cost the services CPU.
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(self.draw(board), refresh=True)

    def close(self) -> None:
        """Leave the last table standing."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def draw(self, board: Board) -> RenderableType:
        """The whole picture."""
        return Group(_headline(board), _services(board), _trading(board.tally), self._curve(board.tally))

    def _curve(self, tally: Tally) -> RenderableType:
        line = sparkline(self._equity, _SPARK_WIDTH)
        if not line or tally.equity is None:
            return Text()
        return Text.assemble(("  equity  ", "dim"), (line, "cyan"), f"  {tally.equity:,.2f}\n")


def sparkline(values: list[float], width: int) -> str:
    """`values` in at most `width` characters, each the last of its share; empty below two values."""
    if len(values) < 2:
        return ""
    step = max(1.0, len(values) / width)
    shown = [values[min(len(values), round((i + 1) * step)) - 1] for i in range(min(width, len(values)))]
    low, high = min(shown), max(shown)
    if high == low:
        return _SPARK[0] * len(shown)
    return "".join(_SPARK[int((value - low) / (high - low) * (len(_SPARK) - 1))] for value in shown)


def _headline(board: Board) -> Text:
    minutes, seconds = divmod(int(board.elapsed_s), 60)
    clock = f"{minutes:02d}:{seconds:02d}"
    if board.limit_s is not None:
        clock += f" of {int(board.limit_s) // 60:02d}:{int(board.limit_s) % 60:02d}"
    return Text.assemble(
        "\n  ", ("aviary", "bold"), (f"  paper · {board.source} · run {board.run} · ", "dim"), clock,
        (f" · {board.phase}", "dim" if board.phase == "running" else "yellow"),
    )  # fmt: skip


def _services(board: Board) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=True, header_style="dim")
    table.add_column("  service")
    table.add_column("state")
    for head in ("msg/s", "lag", "age p50", "age p99", "memory", "cpu", "restarts"):
        table.add_column(head, justify="right")
    for row in board.services:
        table.add_row(*_cells(row))
    return table


def _cells(row: ServiceRow) -> tuple[RenderableType, ...]:
    return (
        f"  {row.name}",
        Text(row.state, style=_STATES[row.state]),
        f"{row.rate:,.0f}",
        Text(f"{row.lag:,}", style="yellow" if row.lag > 1000 else ""),
        _age(row.age_p50_s),
        _age(row.age_p99_s),
        f"{row.rss_bytes / 2**20:,.0f} MiB" if row.rss_bytes else "",
        f"{row.cpu_share:.0%}",
        Text(str(row.restarts), style="red" if row.restarts else "dim"),
    )


def _trading(tally: Tally) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=True)
    table.add_column("\n  signals", justify="right")
    for head in ("approved", "dropped", "orders", "fills", "open", "trades", "fees"):
        table.add_column("\n" + head, justify="right")
    table.add_column("\nPnL after fees", justify="right")
    table.add_row(
        f"{tally.candidates:,}", f"{tally.approved:,}", f"{tally.dropped:,}", f"{tally.orders:,}",
        f"{tally.fills.total():,}", f"{len(tally.open_positions)}", f"{tally.closed_trades:,}", f"{tally.fees:,.4f}",
        Text(signed(tally.pnl), style="green" if tally.pnl > 0 else "red" if tally.pnl < 0 else ""),
    )  # fmt: skip
    table.caption = _remarks(tally)
    table.caption_justify = "left"
    return table


def _remarks(tally: Tally) -> Text:
    """Why signals were dropped, and what must not happen if it did."""
    drops = ", ".join(f"{reason} {count:,}" for reason, count in tally.drops.most_common(5))
    text = Text(f"  dropped: {drops}" if drops else "", style="dim", justify="left")
    for name, count in (("dead letters", tally.dead_letters.total()), ("late orders", tally.late_orders)):
        if count:
            text.append(f"  {name}: {count:,}", style="red")
    return text


def _age(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:,.1f} ms"
