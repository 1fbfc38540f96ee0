"""Languages: a known one for each locale that Slack may send, and for all else."""

import pytest

from contract.language import Language, choose_language


@pytest.mark.parametrize(
    "locale", ["zh-CN", "zh-TW", "zh-HK", "zh", "zh_CN", "ZH-Hans-CN", " zh-CN"]
)
def test_each_kind_of_chinese_is_chinese(locale: str) -> None:
    """The product has one Chinese, which people of all kinds of it can read."""
    assert choose_language(locale) is Language.CHINESE


@pytest.mark.parametrize(
    "locale",
    [
        "en-US",
        "en-GB",
        "de-DE",
        "",
        "zhuang",
        "-zh",
        "\ud800",
        "zh-" + "C" * 10_000,
        None,
        7,
        ["zh"],
    ],
)
def test_any_other_locale_is_english(locale: object) -> None:
    """A locale that is unknown, missing or no text at all gets English."""
    assert choose_language(locale) is Language.ENGLISH
