"""Sentences about masked secrets."""

from bot.messages.secret_texts import describe_masking
from contract.language import Language
from contract.masking import SecretKind


def test_every_kind_of_secret_has_a_name() -> None:
    """Kinds of one name are named once, and at most three are."""
    assert all(str(describe_masking([kind], is_asked=True)) for kind in SecretKind)
    kinds = [SecretKind.AWS_KEY, SecretKind.AWS_SECRET, SecretKind.NPM_TOKEN, SecretKind.PASSWORD]
    text = str(describe_masking([*kinds, SecretKind.JWT], is_asked=False))
    assert text.startswith("That looks like an AWS key, a secret of npm, a password. I replaced")
    assert (
        describe_masking(kinds, is_asked=False).translate(Language.CHINESE).startswith("这看起来像")
    )
