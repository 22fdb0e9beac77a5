import yaml
from pydantic import BaseModel, SecretStr

from app.console.secrets import shown
from app.core.config import validate
from app.settings import Settings, load_settings


def test_of_a_url_only_the_credentials_are_hidden() -> None:
    tree = shown(load_settings(assignments=["bus.redis_url=rediss://bird:hunter2@db.example:6380/3?password=hunter2"]))
    assert tree["bus"]["redis_url"] == "rediss://***@db.example:6380/3"
    assert "hunter2" not in str(tree)


def test_other_secrets_and_keys_that_sound_like_one_are_hidden_whole() -> None:
    class Keys(BaseModel):
        key: SecretStr = SecretStr("abc")
        none: SecretStr = SecretStr("")
        api_token: str = "abc"
        plain: str = "https://me:abc@x.example/"

    assert shown(Keys()) == {"key": "***", "none": "", "api_token": "***", "plain": "https://***@x.example/"}


def test_what_is_shown_could_be_read_again() -> None:
    settings = load_settings(assignments=[])
    again = validate(Settings, yaml.safe_load(yaml.safe_dump(shown(settings))), source="shown")
    assert again == settings
