"""Reference computations of the ONNX models in ``onnx_models``, in plain numpy."""

import numpy as np

WEIGHTS = np.array(
    [[1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, -1.0, 3.0], [2.0, 1.0, 1.0]], dtype=np.float32
)
"""(4, 3) weights whose products with small integers float32 holds exactly."""


def some_samples(rows: int = 6) -> np.ndarray:
    """Return (rows, 4) float32 samples, all different and none zero."""
    return (np.arange(rows * 4, dtype=np.float32).reshape(rows, 4) % 11) - 3 + 0.25


def scores(samples: np.ndarray) -> np.ndarray:
    """Return what the linear model puts out."""
    return samples @ WEIGHTS


def unit_vectors(samples: np.ndarray) -> np.ndarray:
    """Return what the linear model puts out, scaled to length one."""
    vectors = scores(samples).astype(np.float64)
    return vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True))
