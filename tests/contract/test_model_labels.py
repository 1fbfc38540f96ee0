"""Labels of metrics that name models: served ones alone, and a bounded number of them."""

from contract.model_labels import MAX_LABELLED_MODELS, OTHER, ModelLabels
from contract.worker_status import ServedModel

TUNED = ServedModel(model="starchat", revision="1f")


def test_served_model_has_its_own_labels() -> None:
    """Another revision of the same model is another model."""
    labels = ModelLabels()

    assert labels.choose(TUNED, [TUNED]) == TUNED
    assert labels.choose(ServedModel(model="starchat"), [TUNED]) == OTHER
    assert labels.choose(TUNED, []) == OTHER


def test_number_of_labels_is_bounded() -> None:
    """A process that lives through many deployments counts the later models as one."""
    labels = ModelLabels()
    models = [ServedModel(model="m", revision=str(number)) for number in range(99)]
    chosen = [labels.choose(model, models) for model in models]

    assert chosen == models[:MAX_LABELLED_MODELS] + [OTHER] * (99 - MAX_LABELLED_MODELS)
    assert labels.choose(models[0], models) == models[0]
