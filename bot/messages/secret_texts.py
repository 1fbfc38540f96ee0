"""Sentences about secrets that were masked, for the person who pasted them."""

from collections.abc import Sequence
from typing import Final

from contract.language import JoinedPhrases, Phrase, Translatable
from contract.masking import SecretKind
from contract.texts import LIST_COMMA

MAX_NAMED_KINDS: Final = 3
AWS_KEY: Final = Phrase("an AWS key")
GENERAL_KINDS: Final = {
    SecretKind.AWS_KEY: AWS_KEY,
    SecretKind.AWS_SECRET: AWS_KEY,
    SecretKind.PRIVATE_KEY: Phrase("a private key"),
    SecretKind.JWT: Phrase("a JSON Web Token"),
    SecretKind.URL_PASSWORD: Phrase("an address with a password"),
    SecretKind.AUTHORIZATION: Phrase("an authorization header"),
    SecretKind.PASSWORD: Phrase("a password"),
    SecretKind.TOKEN: Phrase("a token"),
    SecretKind.API_KEY: Phrase("an API key"),
}
SERVICES: Final = {
    SecretKind.AZURE_KEY: "Azure",
    SecretKind.GOOGLE_KEY: "Google",
    SecretKind.SLACK_TOKEN: "Slack",
    SecretKind.SLACK_WEBHOOK: "Slack",
    SecretKind.GITHUB_TOKEN: "GitHub",
    SecretKind.GITLAB_TOKEN: "GitLab",
    SecretKind.NPM_TOKEN: "npm",
    SecretKind.PYPI_TOKEN: "PyPI",
    SecretKind.DOCKER_TOKEN: "Docker",
    SecretKind.STRIPE_KEY: "Stripe",
    SecretKind.SHOPIFY_TOKEN: "Shopify",
    SecretKind.SQUARE_TOKEN: "Square",
    SecretKind.TWILIO_KEY: "Twilio",
    SecretKind.SENDGRID_KEY: "SendGrid",
    SecretKind.MAILGUN_KEY: "Mailgun",
    SecretKind.OPENAI_KEY: "OpenAI",
    SecretKind.ANTHROPIC_KEY: "Anthropic",
    SecretKind.HUGGING_FACE_TOKEN: "Hugging Face",
    SecretKind.DIGITALOCEAN_TOKEN: "DigitalOcean",
    SecretKind.DATABRICKS_TOKEN: "Databricks",
    SecretKind.VAULT_TOKEN: "Vault",
    SecretKind.GRAFANA_TOKEN: "Grafana",
    SecretKind.TELEGRAM_TOKEN: "Telegram",
    SecretKind.DISCORD_TOKEN: "Discord",
}
"""Kinds that are named after a service, and its name."""


def describe_masking(kinds: Sequence[SecretKind], *, is_asked: bool) -> Translatable:
    """
    Tell an author that secrets were masked, and what to do.

    `is_asked` is whether the bot posted the question, masked.
    """
    secret = _name_kinds(kinds)
    if is_asked:
        return Phrase(
            "That looks like {secret}. I replaced it before anything was stored or posted.",
            secret=secret,
        )
    return Phrase(
        "That looks like {secret}. I replaced it before anything was stored. "
        "Rotate it: everyone who can read your message still sees it.",
        secret=secret,
    )


def _name_kinds(kinds: Sequence[SecretKind]) -> Translatable:
    names = (
        GENERAL_KINDS.get(kind) or Phrase("a secret of {service}", service=SERVICES[kind])
        for kind in kinds
    )
    distinct = {str(name): name for name in names}
    return JoinedPhrases(list(distinct.values())[:MAX_NAMED_KINDS], LIST_COMMA)
