"""Recordings of markets, in the formats that other programs keep them in, to archives of event rows."""

from app.importers.importing import import_recording
from app.importers.report import ImportReport
from app.importers.tape import open_tape

__all__ = ["ImportReport", "import_recording", "open_tape"]
