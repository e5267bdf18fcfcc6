"""The Ray cluster that a batch runs on, and Ray kept off the command's stdout and stderr."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grounding.errors import BadInput
from grounding.library.asking import one_line

ADDRESS = "RAY_ADDRESS"
ROOT = str(Path(__file__).resolve().parent.parent.parent)
REACH = 10.0  # seconds
OBJECTS = 128 << 20  # bytes of a local cluster's object store: what passes through it is text


def require_ray() -> None:
    """Import Ray Data, which takes seconds; its reporting of usage is off from here on.

    Raises:
        BadInput: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what its C++ may say
    # else Ray hides the GPUs from workers that ask for none, and says so at every start
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray.data  # noqa: F401 - only whether it works
    except ModuleNotFoundError as error:
        raise BadInput(
            f"--engine ray needs {error.name}; install the extra: pip install -e '.[ray]'"
        ) from None
    # what it says on the console; the files of its session still get it
    loud = logging.getLogger("ray.data")
    for handler in loud.handlers[:]:
        if isinstance(handler, logging.StreamHandler):
            loud.removeHandler(handler)


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """Be connected: to the cluster that this process is in already, to that of `RAY_ADDRESS`, or
    to one of this machine alone, with so many CPUs, that ends with the block.

    Raises:
        BadInput: it cannot be reached or started.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    # Not just any cluster that runs here ("auto"): it may be another batch's and end with it.
    address = os.environ.get(ADDRESS) or "local"
    if address.startswith("ray://"):
        raise BadInput(
            f"{ADDRESS}={address}: is a Ray Client, which Ray Data does not run on; start on a "
            "node of the cluster, or with ray job submit"
        )
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():  # Ray itself would try for minutes
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()
        except (OSError, OverflowError) as error:
            raise BadInput(
                f"{ADDRESS}={address}: no cluster answers there ({error}); start one, or leave "
                f"{ADDRESS} out for one of this machine alone"
            ) from None
    own: dict[str, Any] = {}
    if address == "local":
        own = {
            "num_cpus": workers,
            "object_store_memory": OBJECTS,
            "include_dashboard": False,
            "_system_config": {"enable_metrics_collection": False},
        }
    folder = None
    try:
        try:
            with _no_stderr():  # on which its C++ would tell which level was set
                here = ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
        except (OSError, RuntimeError, ValueError) as error:
            what = "no local Ray cluster starts" if own else f"{ADDRESS}={address}"
            remedy = "see if the machine has room for it" if own else "see if the cluster runs"
            raise BadInput(f"{what}: {' '.join(str(error).split())}; {remedy}") from None
        folder = Path(here.address_info["session_dir"]) if own else None
        yield
    finally:
        ray.shutdown()
        if folder is not None:  # its logs and sockets
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Nothing that libraries write in the block reaches stderr."""
    before, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)


@contextmanager
def settings() -> Iterator[None]:
    """Settings of Ray Data for what is built in the block: no bars, no time limit, and a lost block
    does not end the others.
    """
    from ray.data import DataContext

    mine = DataContext.get_current().copy()
    mine.enable_progress_bars = False
    mine.print_on_execution_start = False
    mine.execution_no_progress_timeout_s = -1  # the limits of a recording are kept elsewhere
    mine.max_errored_blocks = -1
    with DataContext.current(mine), warnings.catch_warnings():
        # options of actors by name; pyproject.toml asks for a Ray that has them
        warnings.filterwarnings("ignore", "`ray_remote_args` is deprecated")
        yield


def packages() -> dict[str, Any]:
    """Ray's `runtime_env` in which actors find our packages at the path they have here; nodes
    without it need them installed.
    """
    return {"env_vars": {"PYTHONPATH": os.pathsep.join([ROOT, "${PYTHONPATH}"])}}


def gpu_share(device: str, workers: int) -> float:
    """How much of a GPU each of so many actors may have, for all of them to find room.

    Raises:
        BadInput: no node has a GPU, and `device` is one.
    """
    import ray

    if device == "cpu":
        return 0.0
    there = int(ray.cluster_resources().get("GPU", 0))
    if there < 1:
        raise BadInput(f"--device {device}: no node of the Ray cluster has a GPU; take cpu")
    return 1 / -(-workers // there)


def last_line(error: BaseException) -> str:
    """What is to be told of Ray's errors, which carry whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return one_line(lines[-1] if lines else type(error).__name__)
