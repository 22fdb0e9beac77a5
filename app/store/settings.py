"""The `archive` section of the configuration."""

from pathlib import Path

from pydantic import Field

from app.core.config import Section


class ArchiveSettings(Section):
    """Where event rows are kept and how much of them a power cut may cost."""

    enabled: bool = True
    root: Path = Path("data/archive")
    fsync_s: float = Field(default=1.0, gt=0, description="at most this many seconds of rows are lost")
