"""Which estimators a plan uses, and what they can answer: asked before any picture is drawn.

    found = estimators_of(plan, Registry())
    found["perceived_gender"].values

An unknown attribute or value, or two estimators of one attribute, is an error here.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdk.audits.estimates import NONE, AttributeEstimator, Confusion, ModelEstimator
from sdk.audits.plans import Attribute, Plan
from sdk.errors import AuditError, PluginError
from sdk.policy import Policy
from sdk.registry import Registry
from sdk.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """One attribute of a plan, and who answers it."""

    attribute: Attribute
    plugin: str
    """Name in the policy: findings carry it."""
    known: tuple[str, ...]
    """Every value that it may answer."""
    values: tuple[str, ...]
    """What is counted: the listed values and others that were validated; `none` never needs to."""
    confusion: tuple[tuple[int, ...], ...]
    """Over `values`; empty where the estimator was not validated for this attribute."""
    of_models: tuple[tuple[tuple[int, ...], ...], ...] = ()
    """Those of certain models, where nobody said which one drew: it may be any of them."""
    source: dict[str, JSON]
    """Name, version, licence, digest, domain and validation, for the report."""

    @property
    def listed(self) -> list[bool]:
        """Which of `values` the shares are among."""
        return [value in self.attribute.among for value in self.values]


def estimators_of(plan: Plan, registry: Registry, model: str = "") -> dict[str, Answerer]:
    """Make the estimators of a plan and find who answers each attribute.

    `model` is the digest of the weights that drew, once receipts name it: an estimator that was
    measured on that model's own pictures is corrected by what was counted there.

    Raises:
        AuditError: an attribute or value that no estimator knows, or that two answer.
        PolicyError, PluginError: a plugin is not installed, or is no estimator.
    """
    made = [
        (part.plugin, _estimator(part.plugin, part.settings, registry)) for part in plan.estimators
    ]
    found = {}
    for attribute in plan.attributes:
        able = [(name, one) for name, one in made if attribute.name in one.attributes]
        if len(able) != 1:
            known = sorted({a for _, one in made for a in one.attributes})
            raise AuditError(
                f"asked to audit {attribute.name!r}, found {len(able)} estimators of it; the "
                f"estimators of this plan know {', '.join(known) or 'nothing'}"
            )
        found[attribute.name] = _answerer(attribute, *able[0], model)
    return found


def observed_policy(plan: Plan, policy: Policy) -> Policy:
    """Return the policy with the plan's estimators as its auditors; the digest changes.

    Auditors of the policy stay, but for those that the plan names itself.
    """
    own = {part.plugin for part in plan.estimators}
    kept = [part.model_dump() for part in policy.auditors if part.plugin not in own]
    added = [part.model_dump() for part in plan.estimators]
    return Policy.model_validate({**policy.model_dump(), "auditors": (*kept, *added)})


def _estimator(name: str, settings: dict[str, object], registry: Registry) -> AttributeEstimator:
    part = registry.make("auditor", name, settings)
    if not isinstance(part, AttributeEstimator):
        raise PluginError(
            f"asked plugin {name!r} to estimate attributes, found that it cannot; name an auditor "
            "that has attributes, confusion and estimate"
        )
    return part


def _answerer(attribute: Attribute, plugin: str, one: AttributeEstimator, model: str) -> Answerer:
    known = tuple(one.attributes[attribute.name])
    if unknown := [value for value in attribute.among if value not in known]:
        raise AuditError(
            f"asked for shares of {attribute.name} among {', '.join(unknown)}, found "
            f"that {plugin!r} answers {', '.join(known)}"
        )
    matrix, of_model = _matrix(attribute, one, model)
    values = known
    rows: tuple[tuple[int, ...], ...] = ()
    if matrix is not None:
        values, rows = _rows(matrix)
        if missing := [value for value in attribute.among if value not in values]:
            raise AuditError(
                f"asked for shares of {attribute.name} among {', '.join(missing)}, found that "
                f"{plugin!r} was never validated on them; leave them out, or label pictures"
            )
    else:
        values = tuple(value for value in known if value in attribute.among or value == NONE)
    source: dict[str, JSON] = {
        "estimator": one.id,
        "version": one.version,
        "licence": one.licence,
        "weights_sha256": one.weights_sha256,
        "domain": one.domain,
        "validated_on": matrix.measured_on if matrix is not None else "",
        "validated_on_model": of_model,
        "validation_pictures": matrix.n if matrix else 0,
        "validation_accuracy": round(matrix.accuracy, 4) if matrix and matrix.n else None,
    }
    return Answerer(
        attribute=attribute,
        plugin=plugin,
        known=known,
        values=values,
        confusion=rows,
        of_models=() if model else _of_models(attribute, one),
        source=source,
    )


def _matrix(
    attribute: Attribute, one: AttributeEstimator, model: str
) -> tuple[Confusion | None, str]:
    """The matrix to correct with, and the digest of the model that it was counted on, if any.

    That of the audited model goes before that of the whole domain, where it knows every listed
    value.
    """
    matrix = _by_model(attribute, one).get(model)
    return (one.confusion.get(attribute.name), "") if matrix is None else (matrix, model)


def _by_model(attribute: Attribute, one: AttributeEstimator) -> dict[str, Confusion]:
    """Model → its matrix of an attribute, where that knows every listed value."""
    if not isinstance(one, ModelEstimator):
        return {}
    found = {
        model: known[attribute.name]
        for model, known in one.confusion_by_model.items()
        if attribute.name in known
    }
    listed = set(attribute.among)
    return {model: matrix for model, matrix in found.items() if listed <= {*_rows(matrix)[0]}}


def _of_models(
    attribute: Attribute, one: AttributeEstimator
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    return tuple(_rows(matrix)[1] for matrix in _by_model(attribute, one).values())


def _rows(matrix: Confusion) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    """Values and counts; a value that is never answered rightly cannot be told apart, and goes."""
    at = [i for i, row in enumerate(matrix.counts) if row[i]]
    rows = tuple(tuple(matrix.counts[i][j] for j in at) for i in at)
    return tuple(matrix.labels[i] for i in at), rows
