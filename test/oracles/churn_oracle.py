"""The churn model's figures as scikit-learn, statsmodels, SciPy and ONNX Runtime give them. JSON in, JSON out."""

import base64
import json
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import statsmodels.api as sm
from scipy.stats import ks_2samp
from sklearn import metrics
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.stats.proportion import proportion_confint


def unpenalised(case):
    x, y = sm.add_constant(np.array(case["columns"]).T), np.array(case["labels"])
    model = sm.Logit(y, x)
    fit = model.fit(method="newton", maxiter=100, tol=1e-14, disp=0)
    clustered = model.fit(
        method="newton", maxiter=100, tol=1e-14, disp=0, cov_type="cluster", cov_kwds={"groups": np.array(case["clusters"])}
    )
    weighted = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=np.array(case["weights"])).fit(tol=1e-14, maxiter=100)
    return {
        "beta": fit.params.tolist(),
        "errors": fit.bse.tolist(),
        "logLikelihood": fit.llf,
        "clusteredErrors": clustered.bse.tolist(),
        "weightedBeta": weighted.params.tolist(),
        "weightedErrors": weighted.bse.tolist(),
        "vif": [variance_inflation_factor(x, j) for j in range(1, x.shape[1])],
    }


def penalised(case, l2):
    x, y = np.array(case["columns"]).T, np.array(case["labels"])
    fit = LogisticRegression(C=1 / l2, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(x, y)
    p = fit.predict_proba(x)[:, 1]
    design = np.column_stack([np.ones(len(y)), x])
    hessian = (design.T * (p * (1 - p))) @ design + l2 * np.diag([0] + [1] * x.shape[1])
    return {
        "beta": [fit.intercept_[0], *fit.coef_[0]],
        "errors": np.sqrt(np.diag(np.linalg.inv(hessian))).tolist(),
        "logLikelihood": -metrics.log_loss(y, p, normalize=False),
    }


def figures(case):
    p, y, w = (np.array(case[name]) for name in ("probabilities", "labels", "weights"))
    line = sm.Logit(y, sm.add_constant(np.log(p / (1 - p)))).fit(method="newton", tol=1e-14, disp=0)
    large = sm.GLM(y, np.ones(len(y)), family=sm.families.Binomial(), offset=np.log(p / (1 - p))).fit(tol=1e-14)
    bins = {}
    for ours, theirs in (("width", "uniform"), ("quantile", "quantile")):
        observed, predicted = calibration_curve(y, p, n_bins=10, strategy=theirs)
        bins[ours] = {"observed": observed.tolist(), "predicted": predicted.tolist()}
    return {
        "auc": metrics.roc_auc_score(y, p),
        "averagePrecision": metrics.average_precision_score(y, p),
        "ks": ks_2samp(p[y == 1], p[y == 0]).statistic,
        "logLoss": metrics.log_loss(y, p),
        "brier": metrics.brier_score_loss(y, p),
        "weighted": {
            "auc": metrics.roc_auc_score(y, p, sample_weight=w),
            "averagePrecision": metrics.average_precision_score(y, p, sample_weight=w),
            "logLoss": metrics.log_loss(y, p, sample_weight=w),
            "brier": metrics.brier_score_loss(y, p, sample_weight=w),
        },
        "slope": line.params[1],
        "slopeError": line.bse[1],
        "intercept": line.params[0],
        "inTheLarge": large.params[0],
        "bins": bins,
        "confusion": metrics.confusion_matrix(y, p >= 0.4).ravel().tolist(),
        "wilson": list(proportion_confint(int(y.sum()), len(y), method="wilson")),
    }


def preprocessed(values):
    """Median, limits at the 1st and 99th hundredth, log(1 + x), standardised."""
    x = np.array([np.nan if value is None else value for value in values], dtype=float)
    known = x[~np.isnan(x)]
    low, high = np.quantile(known, [0.01, 0.99])
    filled = np.where(np.isnan(x), np.median(known), x)
    return StandardScaler().fit_transform(np.log1p(np.clip(filled, low, high)).reshape(-1, 1))[:, 0].tolist()


def scored_by_onnx(case):
    data = base64.b64decode(case["file"])
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    rows = [[np.nan if value is None else value for value in row] for row in case["rows"]]
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    probability, log_odds = session.run(["probability", "log_odds"], {"features": np.array(rows, dtype=np.float32)})
    return {
        "probability": probability[:, 0].tolist(),
        "logOdds": log_odds[:, 0].tolist(),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "opset": model.opset_import[0].version,
    }


warnings.simplefilter("error", RuntimeWarning)
case = json.load(sys.stdin)
json.dump(
    {
        "unpenalised": [unpenalised(fit) for fit in case["fits"]],
        "penalised": [[penalised(fit, l2) for l2 in case["l2"]] for fit in case["fits"]],
        "figures": [figures(one) for one in case["scored"]],
        "preprocessed": preprocessed(case["values"]),
        "onnx": [scored_by_onnx(one) for one in case["onnx"]],
    },
    sys.stdout,
)
