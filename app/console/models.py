"""The model bundles a run would use, checked against their manifest."""

from app.registry.slots import load, load_active
from app.settings import Settings, resolve


def check_models(settings: Settings) -> dict[str, str]:
    """The id of the verified bundle in each slot in use.

    Raises:
        Misconfigured: the active slot is empty, or a bundle is missing or not the one that was registered.
    """
    registry = resolve(settings.ai_scorer.registry)
    found = {"active": load_active(registry).card.id}
    if settings.ai_scorer.shadow.enabled and (shadow := load(registry, "shadow")) is not None:
        found["shadow"] = shadow.card.id
    return found
