"""A silo on its operator's own machine: checked, joined, and every answer that leaves shown as it leaves."""

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import ServerError
from tasks.federate.flower import processes
from tasks.federate.silo import history

LOOK_S, TIMEOUT_S = 0.5, 10.0
REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "FAILED_PRECONDITION", "not registered", "Unauthenticated")
"""How the SuperNode's log says that the SuperLink does not let it in."""
STILL_THERE = "could not be activated"
"""How it says that the SuperLink takes its predecessor, which was killed, for connected: for a minute at most."""
GHOST_S, AGAIN_S = 90.0, 5.0


@dataclass(frozen=True)
class Membership:
    """By what a silo joins: the server's address, the authority it trusts, its own key."""

    server: str
    authority: Path
    key: Path


def require_reachable(member: Membership) -> None:
    """Raises ServerError in one line: no such file, nobody listens, or a certificate that our authority has not signed."""
    for file in (member.authority, member.key):
        if not file.is_file():
            raise ServerError(
                f"{file}: is missing; the federation's server makes it: tidemill federate certs --silo NAME"
            )
    host, _, port = member.server.rpartition(":")
    if not host or not port.isdigit():
        raise ServerError(f"--server {member.server}: is no address; write HOST:PORT")
    try:
        context = ssl.create_default_context(cafile=str(member.authority))
        context.set_alpn_protocols(["h2"])
        with (
            socket.create_connection((host, int(port)), TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return
    except ssl.SSLCertVerificationError as error:
        raise ServerError(
            f"{member.server}: its certificate is not one of {member.authority}'s ({error.verify_message}); "
            "ask the server's operator for its ca.crt"
        ) from error
    except (OSError, ssl.SSLError) as error:
        raise ServerError(f"{member.server}: no SuperLink answers there over TLS ({error}); is it running?") from error


def served(home: Path, member: Membership) -> None:
    """Take part until interrupted, printing what leaves. Raises ServerError when the server does not let the silo in."""
    require_reachable(member)
    log = home / "supernode.log"
    shown, patient_until = len(history(home)), time.monotonic() + GHOST_S
    begin, child = _joined(home, member, log)
    try:
        while True:
            over = child.poll() is not None
            shown = _show(home, shown)
            said = log.read_bytes()[begin:].decode(errors="replace")
            if over and STILL_THERE in said and time.monotonic() < patient_until:
                print("the server still counts this silo's SuperNode that was killed; trying again", flush=True)
                time.sleep(AGAIN_S)
                begin, child = _joined(home, member, log)
                continue
            _require_let_in(said, member)
            if over:
                raise ServerError(f"the SuperNode ended (exit code {child.returncode}); {processes.last_words(log)}")
            time.sleep(LOOK_S)
    finally:
        processes.end({"supernode": child})
        _show(home, shown)


def _joined(home: Path, member: Membership, log: Path) -> tuple[int, processes.Child]:
    """Where its part of the log begins, and a new SuperNode."""
    begin = log.stat().st_size if log.is_file() else 0
    return begin, processes.super_node(home, member.server, member.authority, member.key)


def _require_let_in(said: str, member: Membership) -> None:
    if STILL_THERE not in said and any(word in said for word in REFUSED):
        raise ServerError(
            f"{member.server}: does not know the key {member.key}; send its operator {member.key.with_suffix('.pub').name}, "
            "who puts it beside the other silos' and starts the federation again"
        )


def _show(home: Path, shown: int) -> int:
    entries = history(home)
    for entry in entries[shown:]:
        print(line(entry), flush=True)
    return len(entries)


def line(entry: Mapping[str, Any]) -> str:
    """One answer of the silo's record, for its operator."""
    what = f"{entry['at']} round {entry['round']} ({entry['what']}): "
    if entry["refused"]:
        return what + f"refused: {entry['refused']}"
    arrays = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, (_, *shape) in entry["arrays"].items())
    facts = ", ".join(f"{name} {value}" for name, value in sorted(entry["facts"].items()))
    return what + f"sent {entry['bytes']:,} bytes ({arrays or 'no arrays'}); {facts}"
