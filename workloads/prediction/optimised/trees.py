"""Boosted trees over doubles as ONNX: LightGBM's and scikit-learn's HistGradientBoosting.

The public converters round their thresholds to float32, so a value beside a threshold would take the other branch. This
one keeps doubles, by the operator TreeEnsemble of ai.onnx.ml 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from workloads.prediction.boosters import LightgbmBooster

_IDENTITY: Final = ("regression", "regression_l1", "huber", "fair", "quantile", "mape")
_EXP: Final = ("poisson", "gamma", "tweedie")
_DOMAIN: Final = "ai.onnx.ml"
_ALLOWED, _OPSET, _IR = 3, 5, 10  # of the domain: what skl2onnx lets through, and what TreeEnsemble is of
_SUM: Final = 1  # of the operator's aggregate functions


class NotConvertible(Exception):
    """The model has something that is not in ONNX or not here; the text says what."""


@dataclass
class Forest:
    """Trees whose branches go left where x ≤ threshold.

    Attributes:
        nodes: for each (feature, threshold, left is a leaf, left, right is a leaf, right); left and right count in
            `nodes` or in `leaves`.
        leaves: for each (target, value).
        roots: places in `nodes`.
        base: what each target's sum begins with.
        link: what becomes of the sums: "identity", "exp", "sigmoid" or "softmax".
    """

    base: list[float]
    link: str
    nodes: list[tuple[int, float, bool, int, bool, int]] = field(default_factory=list)
    leaves: list[tuple[int, float]] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)

    def add(self, tree: list[tuple[int, float, int, int] | float], target: int) -> None:
        """One tree: its nodes as (feature, threshold, left, right), counted in the list, or as a leaf's value."""
        if isinstance(tree[0], float):
            tree = [(0, 0.0, 1, 1), tree[0]]  # the operator wants a branch at the root
        leaf = [isinstance(node, float) for node in tree]
        place, nodes, leaves = [], len(self.nodes), len(self.leaves)
        for is_leaf in leaf:
            place.append(leaves if is_leaf else nodes)
            leaves, nodes = leaves + is_leaf, nodes + (not is_leaf)
        self.roots.append(len(self.nodes))
        for node in tree:
            if isinstance(node, float):
                self.leaves.append((target, node))
            else:
                feature, threshold, left, right = node
                self.nodes.append((feature, threshold, leaf[left], place[left], leaf[right], place[right]))


def of_hist_gradient_boosting(model: Any) -> Forest:
    """The trees of a HistGradientBoostingClassifier or -Regressor.

    Raises:
        NotConvertible: it splits by categories.
    """
    loss = type(model._loss.link).__name__  # noqa: SLF001  nothing public tells the link
    links = {"IdentityLink": "identity", "LogLink": "exp", "LogitLink": "sigmoid", "HalfLogitLink": "sigmoid"}
    link = "softmax" if loss == "MultinomialLogit" else links.get(loss, "")
    if not link:
        raise NotConvertible(f"its link function is {loss}")
    forest = Forest(np.ravel(model._baseline_prediction).tolist(), link)  # noqa: SLF001  nothing public has them
    for iteration in model._predictors:  # noqa: SLF001
        for target, predictor in enumerate(iteration):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise NotConvertible("it splits by categories")
            fields = ("is_leaf", "value", "feature_idx", "num_threshold", "left", "right")
            rows = zip(*(nodes[name].tolist() for name in fields), strict=True)
            forest.add([value if leaf else tuple(branch) for leaf, value, *branch in rows], target)
    return forest


def of_lightgbm(booster: Any) -> Forest:
    """The trees of a lightgbm.Booster, as many as it predicts with.

    Raises:
        NotConvertible: an objective, a kind of split or of missing value that is not covered.
    """
    dump = booster.dump_model()
    if dump.get("average_output"):
        raise NotConvertible("it averages its trees (boosting: rf)")
    targets = int(dump["num_tree_per_iteration"])
    forest = Forest([0.0] * targets, _lightgbm_link(str(dump.get("objective", ""))))
    for number, tree in enumerate(dump["tree_info"]):
        forest.add(list(_lightgbm_nodes(tree["tree_structure"])), number % targets)
    return forest


def _lightgbm_link(objective: str) -> str:
    name, *options = objective.split()
    if name in _IDENTITY and "sqrt" not in options:
        return "identity"
    if name == "binary" and "sigmoid:1" in options:
        return "sigmoid"
    link = "exp" if name in _EXP else "softmax" if name == "multiclass" else ""
    if not link:
        raise NotConvertible(f"its objective is {objective!r}")
    return link


def _lightgbm_nodes(root: dict[str, Any]) -> Iterator[tuple[int, float, int, int] | float]:
    """The tree's nodes, parents before children."""
    queue, end = [root], 1
    for node in queue:  # grows on the way
        if "split_index" not in node:
            if "leaf_const" in node:
                raise NotConvertible("it has linear models in its leaves")
            yield float(node["leaf_value"])
            continue
        if node["decision_type"] != "<=" or node["missing_type"] == "Zero":
            raise NotConvertible("it splits by categories or takes zeros for missing values")
        queue += [node["left_child"], node["right_child"]]
        yield int(node["split_feature"]), float(node["threshold"]), end, end + 1
        end += 2


def _attributes(forest: Forest) -> dict[str, Any]:
    """The operator's."""
    feature, threshold, left_is_leaf, left, right_is_leaf, right = (
        list(each) for each in zip(*forest.nodes, strict=True)
    )
    targets, weights = (list(each) for each in zip(*forest.leaves, strict=True))
    return {
        "aggregate_function": _SUM,
        "leaf_targetids": targets,
        "leaf_weights": numpy_helper.from_array(np.asarray(weights, dtype=np.float64)),
        "n_targets": len(forest.base),
        "nodes_falseleafs": [int(each) for each in right_is_leaf],
        "nodes_falsenodeids": right,
        "nodes_featureids": feature,
        "nodes_modes": numpy_helper.from_array(np.zeros(len(feature), dtype=np.uint8)),  # x ≤ threshold
        "nodes_splits": numpy_helper.from_array(np.asarray(threshold, dtype=np.float64)),
        "nodes_trueleafs": [int(each) for each in left_is_leaf],
        "nodes_truenodeids": left,
        "post_transform": 0,
        "tree_roots": forest.roots,
    }


def _emit(forest: Forest, scope: Any, operator: Any, container: Any) -> str:
    """The operators from the input to the linked sums, doubles of [rows, targets]; the last output's name."""

    def node(kind: str, inputs: list[str], **more: Any) -> str:
        name = scope.get_unique_variable_name(kind.lower())
        container.add_node(kind, inputs, name, name=scope.get_unique_operator_name(kind), **more)
        return str(name)

    base = scope.get_unique_variable_name("base")
    container.add_initializer(base, TensorProto.DOUBLE, [1, len(forest.base)], forest.base)
    doubles = node("Cast", [operator.inputs[0].full_name], to=TensorProto.DOUBLE)
    sums = node("TreeEnsemble", [doubles], op_domain=_DOMAIN, op_version=_ALLOWED, **_attributes(forest))
    sums = node("Add", [sums, base])
    operators = {"exp": "Exp", "sigmoid": "Sigmoid", "softmax": "Softmax"}
    return node(operators[forest.link], [sums]) if forest.link in operators else sums


def _forest(model: Any) -> Forest:
    if isinstance(model, LightgbmBooster):
        return of_lightgbm(model.booster)
    return of_lightgbm(model.booster_) if hasattr(model, "booster_") else of_hist_gradient_boosting(model)


def _numbers(scope: Any, operator: Any, container: Any) -> None:
    """A regressor, or a Booster: one number, or one per target, for each row."""
    result = _emit(_forest(operator.raw_operator), scope, operator, container)
    _cast(container, result, operator.outputs[0])


def _labels(scope: Any, operator: Any, container: Any) -> None:
    """A classifier: labels and probabilities."""
    model = operator.raw_operator
    forest = _forest(model)
    likely = _emit(forest, scope, operator, container)
    if forest.link == "sigmoid":
        likely = _both(scope, container, likely)
    _cast(container, likely, operator.outputs[1])
    classes, place = scope.get_unique_variable_name("classes"), scope.get_unique_variable_name("place")
    text = isinstance(model.classes_[0], str)
    values = [each.encode() if text else int(each) for each in model.classes_]
    container.add_initializer(classes, TensorProto.STRING if text else TensorProto.INT64, [len(values)], values)
    container.add_node("ArgMax", [likely], place, axis=1, keepdims=0, name=scope.get_unique_operator_name("ArgMax"))
    container.add_node(
        "Gather", [classes, place], operator.outputs[0].full_name, name=scope.get_unique_operator_name("Gather")
    )


def _both(scope: Any, container: Any, second: str) -> str:
    """The probabilities of both classes from the second's."""
    one, first, both = (scope.get_unique_variable_name(name) for name in ("one", "first", "both"))
    container.add_initializer(one, TensorProto.DOUBLE, [1, 1], [1.0])
    container.add_node("Sub", [one, second], first, name=scope.get_unique_operator_name("Sub"))
    container.add_node("Concat", [first, second], both, axis=1, name=scope.get_unique_operator_name("Concat"))
    return str(both)


def _cast(container: Any, source: str, target: Any) -> None:
    to = TensorProto.DOUBLE if isinstance(target.type, DoubleTensorType) else TensorProto.FLOAT
    container.add_node("Cast", [source], target.full_name, to=to, name=f"Cast_{target.full_name}")


def _booster_outputs(scope: Any, model: Any, inputs: list[Any], custom_parsers: Any = None) -> Any:
    operator = scope.declare_local_operator("CairnLightgbmBooster", model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("variable", DoubleTensorType()))
    return operator.outputs


def raise_opset(model: ModelProto) -> None:
    """Say the true version of the operator, if the model has it."""
    if any(node.op_type == "TreeEnsemble" for node in model.graph.node):
        model.ir_version = _IR
        for each in model.opset_import:
            each.version = _OPSET if each.domain == _DOMAIN else each.version


def register() -> None:
    """Teach skl2onnx these conversions."""
    import lightgbm
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    for kind in (HistGradientBoostingClassifier, lightgbm.LGBMClassifier):
        shapes = calculate_linear_classifier_output_shapes
        update_registered_converter(kind, f"Cairn{kind.__name__}", shapes, _labels, options=options)
    for kind in (HistGradientBoostingRegressor, lightgbm.LGBMRegressor):
        update_registered_converter(kind, f"Cairn{kind.__name__}", calculate_linear_regressor_output_shapes, _numbers)
    update_registered_converter(
        LightgbmBooster, "CairnLightgbmBooster", lambda _: None, _numbers, parser=_booster_outputs
    )
