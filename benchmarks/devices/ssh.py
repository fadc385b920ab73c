"""`ssh://user@host[:port][/path/to/python]`: another machine, by the OpenSSH client with the user's settings.

The client never asks for input: keys come from the agent or the user's ssh_config. A host that is not in known_hosts is
refused.
"""

from __future__ import annotations

import re
import shlex
import shutil
from urllib.parse import urlsplit

from cxr_edge.benchmarks.devices.base import CHOICES, DeviceOptions
from cxr_edge.benchmarks.devices.remote import RemoteDevice
from cxr_edge.errors import DeviceError, UsageError

__all__ = ["open", "parse"]

# Neither may begin with a dash, which ssh would take for an option.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:]+")
_PYTHON = re.compile(r"(/[A-Za-z0-9_.-]+)+")

_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ForwardAgent=no",
    "ForwardX11=no",
    "LogLevel=ERROR",
)


def open(text: str, options: DeviceOptions) -> RemoteDevice:
    """Return the machine, its Python and runtime checked. Raises UsageError, DeviceError with the line to type."""
    target, port, python = parse(text)
    if shutil.which("ssh") is None:
        raise DeviceError(f"device '{text}': no ssh client is installed here; type: apt-get install openssh-client")
    command = ["ssh", "-T", *(part for option in _OPTIONS for part in ("-o", option))]
    if port is not None:
        command += ["-p", str(port)]
    try:
        return RemoteDevice(text, [*command, "--", target], python=shlex.quote(python))
    except DeviceError as error:
        raise _explain(text, target, port, error) from error


def parse(text: str) -> tuple[str, int | None, str]:
    """Return what ssh is to connect to, its port where one is named, and the interpreter there. Raises UsageError."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"device '{text}': {error}; write {CHOICES['ssh']}") from error
    host, user, python = parts.hostname or "", parts.username, parts.path.rstrip("/") or "python3"
    fits = _HOST.fullmatch(host) and (user is None or _USER.fullmatch(user)) and not parts.password
    if not fits or parts.query or parts.fragment or (python != "python3" and not _PYTHON.fullmatch(python)):
        raise UsageError(
            f"device '{text}': is not a valid address; write {CHOICES['ssh']} and behind it, where python3 is not "
            "the one, /path/to/python"
        )
    return (f"{user}@{host}" if user else host), port, python


def _explain(text: str, target: str, port: int | None, error: DeviceError) -> DeviceError:
    """Return the error with the next step, for what ssh itself complains of."""
    reason = str(error)
    by_hand = f"ssh {f'-p {port} ' if port else ''}{target}"
    if "Host key verification failed" in reason or "host key is known" in reason:
        return DeviceError(
            f"{reason}; the host is not in known_hosts: log in once by hand ('{by_hand}') and check its key"
        )
    if "Permission denied" in reason:
        return DeviceError(
            f"{reason}; no key is accepted there: type 'ssh-copy-id {f'-p {port} ' if port else ''}{target}'"
        )
    if any(sign in reason for sign in ("Could not resolve", "refused", "timed out", "unreachable", "No route")):
        return DeviceError(f"{reason}; check the address and that sshd runs there ('{by_hand}')")
    if "not found" in reason and "python" in reason:
        return DeviceError(
            f"{reason}; install Python 3.10 or later there, or name it: {text.rstrip('/')}/path/to/python3"
        )
    return error
