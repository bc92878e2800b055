"""Other words for what the configuration calls something: what people write first, and what to write instead."""

import re

_METRICS = {
    "accuracy_score": "accuracy",
    "acc": "accuracy",
    "f1_score": "f1",
    "precision_score": "precision",
    "recall_score": "recall",
    "sensitivity": "recall",
    "true_positive_rate": "recall",
    "tpr": "recall",
    "true_negative_rate": "specificity",
    "tnr": "specificity",
    "fpr": "false_positive_rate",
    "fnr": "false_negative_rate",
    "auc": "roc_auc",
    "auroc": "roc_auc",
    "roc_auc_score": "roc_auc",
    "pr_auc": "average_precision",
    "auprc": "average_precision",
    "ap": "average_precision",
    "average_precision_score": "average_precision",
    "mcc": "matthews_corrcoef",
    "kappa": "cohen_kappa",
    "cohen_kappa_score": "cohen_kappa",
    "brier": "brier_score",
    "brier_score_loss": "brier_score",
    "ece": "expected_calibration_error",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "r2_score": "r2",
    "pearson": "pearson_correlation",
    "pearsonr": "pearson_correlation",
    "correlation": "pearson_correlation",
    "spearman": "spearman_correlation",
    "spearmanr": "spearman_correlation",
    "mean_pinball_loss": "pinball_loss",
    "quantile_loss": "pinball_loss",
    "top_k_accuracy_score": "top_k_accuracy",
    "recall_at_fixed_precision": "recall_at_precision",
    "precision_at_fixed_recall": "precision_at_recall",
    "recall_at_false_positive_rate": "recall_at_fpr",
    "cost": "expected_cost",
    "calibration_by_group": "calibration_difference",
    "unseen_categories": "unseen_share",
    "duplicates": "duplicate_share",
    "out_of_range": "out_of_range_share",
    "missing": "missing_share",
    "model_size": "model_size_mb",
    "f1_per_class": "f1 (of several classes, it is checked for each)",
    "recall_per_class": "recall (of several classes, it is checked for each)",
    "precision_per_class": "precision (of several classes, it is checked for each)",
    "constant_columns": "constant_column under sanity:",
    "training_overlap": "training_overlap under sanity:",
    "leakage": "leakage under sanity:",
    "invariance": "an item {invariance: {pair: column}} without metric:",
    "directional": "an item {directional: {pair: column, order: column, expect: increase}} without metric:",
    "must_pass": "an item {must_pass: [ids]} without metric:",
    "worst_slice": "the metric that is meant, with worst_slice: [column]",
}
_KEYS = {
    "threshold": "min or max",
    "value": "at",
    "recall": "at",
    "precision": "at",
    "fpr": "at",
    "min_recall": "at",
    "q": "quantile",
    "alpha": "quantile",
    "protected": "by",
    "sensitive": "by",
    "group": "by",
    "group_by": "by",
    "cost_matrix": "costs",
    "average": "the metric with its average in the name, such as f1_macro",
    "waiver": "waivers, beside gate",
    "max_ratio": "a metric such as latency_p95_ratio with max",
    "relative": "a metric such as latency_p95_ratio with max",
    "bin": "bins",
    "n_bins": "bins",
    "slice": "slices",
    "until": "expires",
    "expiry": "expires",
}
_RANKED = re.compile(r"(ndcg|map|mrr|recall|precision|hit_rate)_?(?:at_?)?([1-9][0-9]*)")


def metric_instead(name: str) -> str | None:
    """What to write for a metric that goes by another name here."""
    plain = name.lower().replace("-", "_").replace(" ", "_")
    ranked = _RANKED.fullmatch(plain)
    return f"{ranked[1]}@{ranked[2]}" if ranked else _METRICS.get(plain)


def key_instead(name: object, accepted: set[str]) -> str | None:
    """What to write for a key that goes by another name here, where that one fits."""
    instead = _KEYS.get(str(name))
    fits = instead is not None and (" " in instead or instead in accepted)
    return instead if fits else None
