"""K-Means, silhouette and adjusted Rand index by scikit-learn, the space of the points by NumPy. JSON in, JSON out."""

import json
import sys

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score


def points(case):
    columns = []
    for name in ("recency", "frequency", "monetary"):
        values = np.maximum(np.array(case[name], float), 0)
        logs = np.log1p(np.clip(values, np.quantile(values, 0.005), np.quantile(values, 0.995)))
        columns.append((logs - logs.mean()) / logs.std())
    return np.column_stack(columns)


def main():
    answer = []
    for case in json.load(sys.stdin):
        rows = points(case)
        inertia = {k: KMeans(k, n_init=10, random_state=0).fit(rows).inertia_ for k in case["k"]}
        answer.append({
            "points": rows[:500].ravel().tolist(),
            "inertia": inertia,
            "silhouette": silhouette_score(rows[:3000], case["labels"][:3000]),
            "adjustedRand": adjusted_rand_score(case["labels"], case["others"]),
        })
    json.dump(answer, sys.stdout)


main()
