"""What a silo's own key can say to a SuperLink's fleet interface."""

from pathlib import Path

from tasks.errors import ServerError

TIMEOUT_S = 10.0


def signed_off(address: str, authority: Path, key: Path, node_id: int) -> None:
    """Tell the SuperLink that the SuperNode with this key is gone, as one that ends by itself does.

    Else a SuperNode that was killed counts as online for another minute, and its successor is refused until then.
    Raises ServerError when the SuperLink is not there, or knows already.
    """
    import grpc
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_ssh_private_key
    from flwr.client.grpc_rere_client.node_auth_client_interceptor import NodeAuthClientInterceptor
    from flwr.proto import fleet_pb2
    from flwr.proto.fleet_pb2_grpc import FleetStub
    from flwr.supercore.grpc import create_channel

    private = load_ssh_private_key(key.read_bytes(), None)
    if not isinstance(private, EllipticCurvePrivateKey):
        raise ServerError(f"{key}: is no key on a NIST curve")
    signing = NodeAuthClientInterceptor(private, private.public_key())
    channel = create_channel(address, insecure=False, root_certificates=authority.read_bytes(), interceptors=[signing])
    try:
        FleetStub(channel).DeactivateNode(fleet_pb2.DeactivateNodeRequest(node_id=node_id), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        raise ServerError(f"SuperLink at {address}: {error.details()} ({error.code().name})") from error
    finally:
        channel.close()
