"""Aviary."""

import os

# ONNX Runtime reports to its maker from the moment it is imported, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
