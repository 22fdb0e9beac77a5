"""The `bus` section of the configuration."""

from pydantic import Field, SecretStr

from app.core.config import Section


class BusSettings(Section):
    """Redis and how the service loop uses it."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    batch_entries: int = Field(default=256, ge=1, description="most entries taken in one read")
    block_ms: int = Field(default=500, ge=10, description="longest wait for something to read")
    snapshot_every_s: float = Field(default=5.0, gt=0)
    trim_every_s: float = Field(default=2.0, gt=0)
    max_stream_entries: int = Field(
        default=50_000, ge=100, description="a writer waits while its slowest reader is this far behind"
    )
    reconnect_max_s: float = Field(default=5.0, gt=0)
    reader_gone_s: float = Field(
        default=60.0, gt=0, description="a recorder without connection is not waited for after this"
    )
