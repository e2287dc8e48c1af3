"""The only place that hands a graph to ONNX Runtime."""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when the library is loaded

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from workers.errors import PermanentError
from workers.signature import Signature

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

ORT_ERRORS = (
    failures.EPFail,
    failures.EngineError,
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoModel,
    failures.NotFound,
    failures.NotImplemented,
    failures.RuntimeException,
)

MEMORY_WORDS = ("bad_alloc", "allocate memory", "Failed to allocate", "smaller than requested")
"""What ONNX Runtime says when an allocation failed; it has no class for it."""


class OutOfMemoryError(PermanentError):
    """The graph asked for more memory than there is, at this number of rows."""

    def __init__(self, rows: int) -> None:
        super().__init__("out_of_memory", f"running {rows} rows needs more memory than allowed")
        self.rows = rows


class Session:
    """A graph that is ready to run.

    Attributes:
        provider: ONNX Runtime's name of what runs it.
        fixed_rows: the number of rows that the graph insists on, or ``None``.
    """

    def __init__(
        self, model: bytes, signature: Signature, *, device: str = "cpu", threads: int = 1
    ) -> None:
        """Load ``model``, which has passed the static checks.

        Raises:
            PermanentError: ``no_cuda``, ``out_of_memory``, ``not_a_model``.
        """
        self._signature = signature
        try:
            self._session = onnxruntime.InferenceSession(
                model, _options(threads), providers=_providers(device)
            )
            rows = self._session.get_inputs()[0].shape[0]
        except (*ORT_ERRORS, MemoryError, ValueError) as exc:  # names need not be UTF-8
            raise _load_failure(exc) from exc
        self.provider = self._session.get_providers()[0]
        if device == "cuda" and self.provider != CUDA:
            raise PermanentError("no_cuda", "CUDA was asked for and could not be started")
        self.fixed_rows = rows if isinstance(rows, int) else None

    def run(self, inputs: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return what the graph puts out for one batch, unchecked.

        Raises:
            OutOfMemoryError: fewer rows may fit.
            PermanentError: ``run_failed``.
        """
        taken = {self._signature.input_name: inputs}
        try:
            return self._session.run([self._signature.output_name], taken)[0]
        except MemoryError as exc:
            raise OutOfMemoryError(len(inputs)) from exc
        except ORT_ERRORS as exc:
            if _is_about_memory(exc):
                raise OutOfMemoryError(len(inputs)) from exc
            raise PermanentError("run_failed", f"the graph failed: {_first_line(exc)}") from exc


def cuda_is_available() -> bool:
    """Return whether this ONNX Runtime can use CUDA."""
    return CUDA in onnxruntime.get_available_providers()


def _providers(device: str) -> list[str]:
    if device == "cpu" or (device == "auto" and not cuda_is_available()):
        return [CPU]
    if not cuda_is_available():
        raise PermanentError("no_cuda", "this worker's ONNX Runtime has no CUDA support")
    return [CUDA, CPU]


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # the exception says it; stderr is for what kills the process
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options


def _load_failure(exc: Exception) -> PermanentError:
    if isinstance(exc, MemoryError) or _is_about_memory(exc):
        return PermanentError("out_of_memory", "loading the graph needs more memory than allowed")
    return PermanentError("not_a_model", f"ONNX Runtime does not load it: {_first_line(exc)}")


def _is_about_memory(exc: Exception) -> bool:
    return any(words in str(exc) for words in MEMORY_WORDS)


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0][:300]
