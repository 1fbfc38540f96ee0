"""Labels of metrics that name models: the served ones, and a bounded number of them. Pure."""

from collections.abc import Collection
from typing import Final

from contract.worker_status import ServedModel

MAX_LABELLED_MODELS: Final = 16
"""Models that one process counts apart; each pair of labels stays in memory."""
OTHER: Final = ServedModel(model="other")
"""All models that are not served now, or beyond the bound."""


class ModelLabels:
    """The models that a process has counted apart so far."""

    def __init__(self) -> None:
        """Know no model."""
        self._known: set[ServedModel] = set()

    def choose(self, model: ServedModel, served: Collection[ServedModel]) -> ServedModel:
        """Return the labels of a model, `OTHER` unless it is among the `served` ones."""
        if model not in served:
            return OTHER
        if len(self._known) < MAX_LABELLED_MODELS:
            self._known.add(model)
        return model if model in self._known else OTHER
