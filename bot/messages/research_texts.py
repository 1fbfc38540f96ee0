"""Notice of research: what the card of StarChat-β says of its use and its risks."""

from typing import Final

from contract.language import Phrase

RESEARCH_NOTICE: Final = Phrase(
    "StarChat-β is for education and research only. It was not aligned with human preferences "
    "(RLHF): it may write problematic text, insecure code and invented addresses."
)
RESEARCH_TOLD: Final = Phrase(
    "{notice} You read this once; the Home tab of this app always has it.", notice=RESEARCH_NOTICE
)
