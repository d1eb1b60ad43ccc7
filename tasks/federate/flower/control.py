"""What we ask of a SuperLink over its control interface: know these silos, run this job, how is it."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import ServerError
from tasks.federate.flower.app_files import FILES, FOLDER


@dataclass(frozen=True)
class Control:
    """Where the interface listens (loopback only: it has no authentication of its own), and whom we trust there."""

    address: str
    authority: Path


def registered(control: Control, keys: Mapping[str, bytes]) -> dict[int, str]:
    """The node id of each silo by the public key (PEM) it was registered with; what is known already is kept."""
    from flwr.proto import control_pb2

    with _stub(control) as stub:
        known = {
            node.public_key: int(node.node_id) for node in stub.ListNodes(control_pb2.ListNodesRequest()).nodes_info
        }
        found = {}
        for name, key in keys.items():
            if key not in known:
                known[key] = int(stub.RegisterNode(control_pb2.RegisterNodeRequest(public_key=key)).node_id)
            found[known[key]] = name
    return found


def online(control: Control, nodes: Mapping[int, str]) -> dict[str, str]:
    """The silos whose SuperNode is connected, each with the moment since when it is: another one after a restart."""
    from flwr.proto import control_pb2

    with _stub(control) as stub:
        told = stub.ListNodes(control_pb2.ListNodesRequest()).nodes_info
    here = [node for node in told if node.status == "online" and node.node_id in nodes]
    return {nodes[node.node_id]: str(node.last_activated_at) for node in here}


def submitted(control: Control, folder: Path) -> int:
    """The id of a new run of the job in that folder."""
    from flwr.cli.build import build_fab_from_files
    from flwr.common.serde import fab_to_proto, user_config_to_proto
    from flwr.proto import control_pb2
    from flwr.supercore.fab import Fab

    content, _ = build_fab_from_files({name: text.encode() for name, text in FILES.items()})
    fab = Fab(hashlib.sha256(content).hexdigest(), content, {})
    request = control_pb2.StartRunRequest(
        fab=fab_to_proto(fab), override_config=user_config_to_proto({FOLDER: str(folder)}), federation=""
    )
    with _stub(control) as stub:
        return int(stub.StartRun(request).run_id)


def ended(control: Control, run_id: int) -> str | None:
    """How the run ended, in Flower's words, or None while it goes on."""
    from flwr.common.serde import run_from_proto
    from flwr.proto import control_pb2

    with _stub(control) as stub:
        told = stub.ListRuns(control_pb2.ListRunsRequest(run_id=run_id)).run_dict[run_id]
    status = run_from_proto(told).status
    return f"{status.sub_status} {status.details}".strip() if status.status == "finished" else None


@contextlib.contextmanager
def _stub(control: Control) -> Iterator[Any]:
    """Flower's control interface; a call that fails is a ServerError."""
    import grpc
    from flwr.proto.control_pb2_grpc import ControlStub
    from flwr.supercore.grpc import create_channel

    channel = create_channel(control.address, insecure=False, root_certificates=control.authority.read_bytes())
    try:
        yield ControlStub(channel)
    except grpc.RpcError as error:
        raise ServerError(f"SuperLink at {control.address}: {error.details()} ({error.code().name})") from error
    finally:
        channel.close()
