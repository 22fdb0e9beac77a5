"""The configuration as a person may see it."""

from typing import Any

from pydantic import BaseModel, SecretStr

from app.core.logging import mask

_HIDDEN = "***"
_WORDS = ("secret", "password", "passphrase", "token", "api_key", "apikey")


def shown(settings: BaseModel) -> dict[str, Any]:
    """`settings` as plain data in the order of the file, secrets masked; of a URL only the credentials are hidden."""
    tree = _plain("", settings.model_dump(mode="python"))
    assert isinstance(tree, dict)
    return tree


def _plain(key: str, value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(str(name), part) for name, part in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(key, part) for part in value]
        case SecretStr():
            return _secret(value.get_secret_value())
        case bool() | int() | float() | None:
            return value
        case _ if any(word in key.lower() for word in _WORDS):
            return _HIDDEN
        case _:
            return mask(str(value))


def _secret(text: str) -> str:
    if not text:
        return ""
    # What follows a question mark may be a password too.
    return mask(text.partition("?")[0]) if "://" in text else _HIDDEN
