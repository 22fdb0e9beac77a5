"""The fingerprint of a configuration, by which runs are told apart."""

from app.settings_digest import config_digest as config_digest
