"""Writes a run's report: records.jsonl, report.json and report.html beside its events."""

import os
from pathlib import Path

import msgspec

from app.report.facts import PAGE, RECORDS, REPORT
from app.report.records import canonical_records
from app.report.run_data import RunData, read_run
from app.report.run_page import render
from app.report.run_report import RunReport, measure


def write_report(directory: Path) -> RunReport:
    """Work out and write the report of the run in `directory` from what it recorded.

    Raises:
        BadInput: a recorded line cannot be read.
    """
    return write_data(directory, read_run(directory))


def write_data(directory: Path, data: RunData) -> RunReport:
    """Work out the report of `data` and write it into `directory`."""
    records = canonical_records(data.money)
    report = measure(data, records)
    _replace(directory / RECORDS, b"".join(line + b"\n" for line in records))
    _replace(directory / REPORT, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    _replace(directory / PAGE, render(data, report).encode())
    return report


def _replace(path: Path, content: bytes) -> None:
    # A reader sees the old file or the new one, never a part.
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
