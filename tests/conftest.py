"""What every test gets: a home of its own, no network, and the real films where there are any."""

from __future__ import annotations

import gc
import ipaddress
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cxr_edge.benchmarks.devices.emulation import userland
from cxr_edge.bundles import trust
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.errors import DeviceError
from cxr_edge.sandbox import runtime
from tests.support import models, shared

# Both libraries read these when they are first imported, which a test module may do before any fixture runs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

ROOT = Path(__file__).resolve().parent.parent

MARKED_FOLDERS = {"android": "android", "browser": "browser", "fault": "slow", "fuzz": "slow", "integration": "slow"}
# Fixtures that take half a minute and more when they are made for the first time.
MARKED_FIXTURES = {"arm64_userland": "qemu", "tiny_bundle": "slow"}


def pytest_configure() -> None:
    """Take Ctrl-C again where a shell started the tests in its background, which makes every child deaf to it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the markers of `make test-fast` onto tests, by folder and by what they are made of."""
    for item in items:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        names = {MARKED_FIXTURES.get(fixture) for fixture in getattr(item, "fixturenames", ())}
        for name in {MARKED_FOLDERS.get(folder), *names} - {None}:
            item.add_marker(str(name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each process of pytest-xdist whole files, which share what a file makes once; of android/ the whole folder.

    The order stays, so that the long tests of the first folders are not left for the end.
    """
    from xdist.scheduler import LoadScopeScheduling

    def share(nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "tests/android" if file.startswith("tests/android/") else file

    config.option.loadscopereorder = False
    scheduler: Any = LoadScopeScheduling(config, log)
    scheduler._split_scope = share
    return scheduler


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real films, which holds `cxr/` and `odd/`; the test is skipped where there is none."""
    named = os.environ.get("CXR_EDGE_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not all((folder / part).is_dir() for part in ("cxr", "odd")):
        pytest.skip(f"no real films in {folder} (cxr/ and odd/); set CXR_EDGE_DATA to a folder that has them")
    return folder


@pytest.fixture(scope="session")
def arm64_userland() -> userland.Userland:
    """The emulated arm64 Linux, kept in the checkout and not in the user's cache; it takes a minute to make."""
    try:
        return userland.prepare(ROOT / ".cache" / "userland")
    except DeviceError as error:
        pytest.skip(f"no emulated arm64 here: {error}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist of the tree as it is."""

    def build(folder: Path) -> None:
        command = ["bash", str(ROOT / "scripts" / "build_dist.sh"), str(folder)]
        built = subprocess.run(
            command, env={"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}, capture_output=True, text=True
        )
        assert built.returncode == 0, built.stderr

    return next(shared.make_once(tmp_path_factory, "dist", build).glob("*.whl"))


@pytest.fixture(scope="session")
def _plot_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Building matplotlib's font cache takes seconds, so the tests share one.
    folder = shared.root(tmp_path_factory) / "matplotlib"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _made_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The notes of which models were made here, shared by all tests, as exports are; see `nothing_made_here`."""
    state = shared.root(tmp_path_factory) / "state"
    with pytest.MonkeyPatch.context() as patch:
        # For fixtures that last longer than a test, such as exports.
        patch.setenv("XDG_STATE_HOME", str(state))
        trust.store_path().mkdir(parents=True, exist_ok=True)
        yield trust.store_path()


@pytest.fixture
def nothing_made_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every model but the shipped one be a stranger's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "no-state"))


@pytest.fixture
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that a sandbox was started for."""
    started: list[str] = []
    start = runtime.Sandbox._start

    def count(self: runtime.Sandbox) -> None:
        started.append(self.name)
        start(self)

    monkeypatch.setattr(runtime.Sandbox, "_start", count)
    return started


@pytest.fixture(autouse=True)
def _isolated_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, _plot_cache: Path, _made_here: Path
) -> None:
    """Keep the user's files out of the test, and the test out of the user's files."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name, folder in {
        "CACHE": ".cache",
        "CONFIG": ".config",
        "DATA": ".local/share",
        "STATE": ".local/state",
    }.items():
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / folder))
    monkeypatch.setenv("MPLCONFIGDIR", str(_plot_cache))
    (home / ".local/state/cxr-edge").mkdir(parents=True)
    (home / ".local/state/cxr-edge/made-here").symlink_to(_made_here)


@pytest.fixture(autouse=True)
def _usual_garbage_collection() -> Iterator[None]:
    """Undo what the command classify sets for its process, lest models of later tests pile up."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail the test when this process looks up or connects to anything but this machine.

    Native code and child processes are out of its sight.
    """
    attempts: list[str] = []

    def guard(original: Callable[..., Any], host_of: Callable[..., str | None]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            host = host_of(*args)
            if host is not None and not _is_local(host):
                attempts.append(f"{original.__name__}({host!r})")
                raise PermissionError(f"the tests allow no network: {attempts[-1]}")
            return original(*args, **kwargs)

        return guarded

    for method in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, method, guard(getattr(socket.socket, method), _peer))
    for function in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        monkeypatch.setattr(socket, function, guard(getattr(socket, function), _looked_up))
    yield
    # The code under test may have caught the error, or met it in a thread.
    if attempts:
        pytest.fail(f"the test opened the network: {', '.join(attempts)}")


def _peer(sock: socket.socket, *args: Any) -> str | None:
    internet = sock.family in (socket.AF_INET, socket.AF_INET6)
    return str(args[-1][0]) if internet and args and isinstance(args[-1], tuple) else None


def _looked_up(host: str | bytes | None, *_args: Any) -> str | None:
    return host.decode("ascii", "replace") if isinstance(host, bytes) else host


def _is_local(host: str) -> bool:
    if host in ("", "localhost", "0.0.0.0", "::"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The shipped classifier, exported for real in both formats and all recipes, calibrated on simulated films.

    Read-only: a test that changes a bundle copies it first.
    """
    from cxr_edge.export import pipeline

    # The stock conversion: a repair takes minutes, and has tests of its own.
    options = pipeline.ExportOptions(quantize=("float16", "dynamic", "int8", "int16x8"))
    shipped = Bundle.read(default_bundle_path())
    made = shared.make_once(
        tmp_path_factory, "export", lambda folder: pipeline.export(shipped, options, folder / "bundle")
    )
    return Bundle.read(made / "bundle")


@pytest.fixture
def brightness_bundle(tmp_path: Path) -> Bundle:
    """A bundle of hand-made models (tests/support/models.py), the test's own to change, noted as made here."""
    bundle = models.write_bundle(
        tmp_path / "brightness", {"model_float32.tflite": models.tflite(), "model_float32.onnx": models.onnx()}
    )
    trust.note_made(bundle, bundle.manifest.artifacts)
    return bundle
