"""Delivery of one interaction to the app, for a person who waits for it."""

from fakeslack.delivery.transport import Envelope, EnvelopeSender, UndeliveredError
from fakeslack.errors import Json, SlackError


async def deliver_to_app(sender: EnvelopeSender, envelope: Envelope) -> Json:
    """Deliver once and return the app's response. Raises `app_did_not_respond`."""
    try:
        return await sender.deliver_once(envelope)
    except UndeliveredError:
        raise SlackError("app_did_not_respond") from None
