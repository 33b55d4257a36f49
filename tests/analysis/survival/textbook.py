"""Data sets of textbooks, on which other programs' numbers are known.

- `REMISSION`: weeks in remission of 42 patients with leukaemia. Freireich et al., The effect of 6-mercaptopurine on
  the duration of steroid-induced remissions in acute leukemia (1963), with sex and log white blood cell count as in
  Kleinbaum and Klein, Survival analysis (2012); as shipped with lifelines 0.30.3 (`load_leukemia`).
- `AML`, `VETERAN`, `OVARIAN`: as shipped with R's package survival 3.5-3 (Therneau). Miller, Survival analysis (1997);
  Kalbfleisch and Prentice, The statistical analysis of failure time data (1980); Edmunson et al., Different
  chemotherapeutic sensitivities and host factors affecting prognosis in advanced ovarian carcinoma (1979).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from study.analysis.survival.design_matrix import DesignMatrix, Kind, Term


def _read(text: str, columns: str) -> pd.DataFrame:
    rows = [[float(number) for number in row.split(",")] for row in text.split()]
    return pd.DataFrame(rows, columns=columns.split())


REMISSION = _read(
    """
35,0,0,1,1.45 34,0,0,1,1.47 32,0,0,1,2.2 32,0,0,1,2.53 25,0,0,1,1.78 23,1,0,1,2.57 22,1,0,1,2.32 20,0,0,1,2.01
19,0,0,0,2.05 17,0,0,0,2.16 16,1,0,1,3.6 13,1,0,0,2.88 11,0,0,0,2.6 10,0,0,0,2.7 10,1,0,0,2.96 9,0,0,0,2.8
7,1,0,0,4.43 6,0,0,0,3.2 6,1,0,0,2.31 6,1,0,1,4.06 6,1,0,0,3.28 23,1,1,1,1.97 22,1,1,0,2.73 17,1,1,0,2.95
15,1,1,0,2.3 12,1,1,0,1.5 12,1,1,0,3.06 11,1,1,0,3.49 11,1,1,0,2.12 8,1,1,0,3.52 8,1,1,0,3.05 8,1,1,0,2.32
8,1,1,1,3.26 5,1,1,1,3.49 5,1,1,0,3.97 4,1,1,1,4.36 4,1,1,1,2.42 3,1,1,1,4.01 2,1,1,1,4.91 2,1,1,1,4.48
1,1,1,1,2.8 1,1,1,1,5
""",
    "time status placebo male log_white_cells",
)
AML = _read(
    """
9,1,0 13,1,0 13,0,0 18,1,0 23,1,0 28,0,0 31,1,0 34,1,0 45,0,0 48,1,0 161,0,0 5,1,1 5,1,1 8,1,1 8,1,1 12,1,1
16,0,1 23,1,1 27,1,1 30,1,1 33,1,1 43,1,1 45,1,1
""",
    "time status not_maintained",
)
VETERAN = _read(
    """
72,1,1,60,1 411,1,1,70,1 228,1,1,60,1 126,1,1,60,1 118,1,1,70,1 10,1,1,20,1 82,1,1,40,1 110,1,1,80,1
314,1,1,50,1 100,0,1,70,1 42,1,1,60,1 8,1,1,40,1 144,1,1,30,1 25,0,1,80,1 11,1,1,70,1 30,1,2,60,1 384,1,2,60,1
4,1,2,40,1 54,1,2,80,1 13,1,2,60,1 123,0,2,40,1 97,0,2,60,1 153,1,2,60,1 59,1,2,30,1 117,1,2,80,1 16,1,2,30,1
151,1,2,50,1 22,1,2,60,1 56,1,2,80,1 21,1,2,40,1 18,1,2,20,1 139,1,2,80,1 20,1,2,30,1 31,1,2,75,1 52,1,2,70,1
287,1,2,60,1 18,1,2,30,1 51,1,2,60,1 122,1,2,80,1 27,1,2,60,1 54,1,2,70,1 7,1,2,50,1 63,1,2,50,1 392,1,2,40,1
10,1,2,40,1 8,1,3,20,1 92,1,3,70,1 35,1,3,40,1 117,1,3,80,1 132,1,3,80,1 12,1,3,50,1 162,1,3,80,1 3,1,3,30,1
95,1,3,80,1 177,1,4,50,1 162,1,4,80,1 216,1,4,50,1 553,1,4,70,1 278,1,4,60,1 12,1,4,40,1 260,1,4,80,1
200,1,4,80,1 156,1,4,70,1 182,0,4,90,1 143,1,4,90,1 105,1,4,80,1 103,1,4,80,1 250,1,4,70,1 100,1,4,60,1
999,1,1,90,2 112,1,1,80,2 87,0,1,80,2 231,0,1,50,2 242,1,1,50,2 991,1,1,70,2 111,1,1,70,2 1,1,1,20,2
587,1,1,60,2 389,1,1,90,2 33,1,1,30,2 25,1,1,20,2 357,1,1,70,2 467,1,1,90,2 201,1,1,80,2 1,1,1,50,2 30,1,1,70,2
44,1,1,60,2 283,1,1,90,2 15,1,1,50,2 25,1,2,30,2 103,0,2,70,2 21,1,2,20,2 13,1,2,30,2 87,1,2,60,2 2,1,2,40,2
20,1,2,30,2 7,1,2,20,2 24,1,2,60,2 99,1,2,70,2 8,1,2,80,2 99,1,2,85,2 61,1,2,70,2 25,1,2,70,2 95,1,2,70,2
80,1,2,50,2 51,1,2,30,2 29,1,2,40,2 24,1,3,40,2 18,1,3,40,2 83,0,3,99,2 31,1,3,80,2 51,1,3,60,2 90,1,3,60,2
52,1,3,60,2 73,1,3,60,2 8,1,3,50,2 36,1,3,70,2 48,1,3,10,2 7,1,3,40,2 140,1,3,70,2 186,1,3,90,2 84,1,3,80,2
19,1,3,50,2 45,1,3,40,2 80,1,3,40,2 52,1,4,60,2 164,1,4,70,2 19,1,4,30,2 53,1,4,60,2 15,1,4,30,2 43,1,4,60,2
340,1,4,80,2 133,1,4,75,2 111,1,4,60,2 231,1,4,70,2 378,1,4,80,2 49,1,4,30,2
""",
    "time status cell_type karnofsky treatment",
)
CELL_TYPES = ("squamous", "smallcell", "adeno", "large")
"""The levels 1 to 4 of `VETERAN.cell_type`."""
OVARIAN = _read(
    """
59,1,72.3315,1,2 115,1,74.4932,1,2 156,1,66.4658,1,2 421,0,53.3644,2,2 431,1,50.3397,1,2 448,0,56.4301,1,1
464,1,56.937,2,2 475,1,59.8548,2,2 477,0,64.1753,1,2 563,1,55.1781,2,1 638,1,56.7562,1,1 744,0,50.1096,2,1
769,0,59.6301,2,2 770,0,57.0521,2,2 803,0,39.2712,1,1 855,0,43.1233,1,1 1040,0,38.8932,1,2 1106,0,44.6,1,1
1129,0,53.9068,2,1 1206,0,44.2055,2,2 1227,0,59.589,2,1 268,1,74.5041,1,2 329,1,43.137,1,2 353,1,63.2192,2,1
365,1,64.4247,2,2 377,0,58.3096,2,1
""",
    "time status age treatment residual",
)


def design(columns: dict[str, object], kind: Kind = "difference") -> DesignMatrix:
    """A design matrix of any numbers, by name."""
    return DesignMatrix(
        terms=tuple(Term(name=name, axis=name, kind=kind) for name in columns),
        values=np.column_stack([np.asarray(values, dtype=np.float64) for values in columns.values()]),
        notes=(),
    )


def survival_of(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Times and whether the event happened."""
    return data["time"].to_numpy(dtype=np.float64), data["status"].to_numpy() == 1
