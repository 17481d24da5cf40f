"""BG/NBD and Gamma-Gamma by SciPy: likelihoods written from the papers, another optimiser. JSON in, JSON out."""

import json
import sys

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1
from scipy.stats import beta as beta_distribution
from scipy.stats import gamma as gamma_distribution


def bg_nbd_log_likelihood(parameters, x, tx, T):
    # Equation 3 of Fader, Hardie & Lee (2005): the two ways to have this history, mixed over rate and drop-out.
    r, alpha, a, b = parameters
    alive = betaln(a, b + x) - betaln(a, b) + gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
    repeat = np.maximum(x, 1)
    gone = (
        betaln(a + 1, b + repeat - 1) - betaln(a, b)
        + gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + tx)
    )
    return np.where(x > 0, np.logaddexp(alive, gone), alive).sum()


def gamma_gamma_log_likelihood(parameters, x, z):
    # The mean of x spends is gamma(p x, v x); v is gamma(q, gamma): a generalised beta of the second kind.
    p, q, gamma = parameters
    density = -betaln(p * x, q) + q * np.log(gamma) + p * x * np.log(x) + (p * x - 1) * np.log(z)
    return (density - (p * x + q) * np.log(gamma + x * z)).sum()


def maximise(log_likelihood, start):
    # Far out the differences of log-gammas are rounding alone, and a simplex would follow it.
    objective = lambda logs: -log_likelihood(np.exp(logs)) if np.abs(logs).max() < 12 else np.inf
    best = None
    for factor in (0.7,):
        point = np.log(np.array(start) * factor)
        for _ in range(2):
            fit = minimize(objective, point, method="Nelder-Mead",
                           options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-9, "fatol": 1e-9})
            point = fit.x
        if best is None or fit.fun < best.fun:
            best = fit
    return {"parameters": np.exp(best.x).tolist(), "logLikelihood": -best.fun}


def expectations(parameters, history, horizon):
    r, alpha, a, b = parameters
    x, tx, T = history
    # Equation 10 as printed, where its terms do not overflow.
    z = horizon / (alpha + T + horizon)
    printed = (a + b + x - 1) / (a - 1)
    printed *= 1 - ((alpha + T) / (alpha + T + horizon)) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    odds = a / (b + x - 1) * ((alpha + T) / (alpha + tx)) ** (r + x) if x > 0 else 0
    # P(no purchase | alive) by integrating over the rate, which given this history and being alive is gamma(r+x, alpha+T).
    rate = gamma_distribution(r + x, scale=1 / (alpha + T))
    none, _ = quad(lambda u: np.exp(-rate.ppf(u) * horizon), 0, 1, epsabs=1e-12, epsrel=1e-12, limit=500)
    # E(purchases | alive) by integrating equation 7's expectation over drop-out, the rate by its own quantiles.
    leaves = beta_distribution(a, b + x)
    return {
        "expected": float(printed / (1 + odds)),
        "alive": 1 / (1 + odds),
        "none": 1 - (1 - none) / (1 + odds),
        "byIntegral": by_integral(rate, leaves, horizon) / (1 + odds),
    }


def by_integral(rate, leaves, horizon):
    nodes, weights = np.polynomial.legendre.leggauss(400)
    u, w = (nodes + 1) / 2, weights / 2
    p, lam = leaves.ppf(u)[None, :], rate.ppf(u)[:, None]
    expected = -np.expm1(-lam * p * horizon) / p
    return float(w @ expected @ w)


def main():
    cases = json.load(sys.stdin)
    answer = {"bgNbd": [], "gammaGamma": [], "expectations": []}
    for case in cases["bgNbd"]:
        x, tx, T = (np.array(case[name], float) for name in ("x", "tx", "T"))
        fit = maximise(lambda parameters: bg_nbd_log_likelihood(parameters, x, tx, T), (0.5, T.mean() / 4, 1, 2))
        fit["atGiven"] = [bg_nbd_log_likelihood(given, x, tx, T) for given in case["given"]]
        answer["bgNbd"].append(fit)
    for case in cases["gammaGamma"]:
        x, z = (np.array(case[name], float) for name in ("x", "z"))
        answer["gammaGamma"].append(maximise(lambda parameters: gamma_gamma_log_likelihood(parameters, x, z), (3, 3, z.mean())))
    for case in cases["expectations"]:
        answer["expectations"].append(expectations(case["parameters"], case["history"], case["horizon"]))
    json.dump(answer, sys.stdout)


main()
