"""Secure aggregation: the server learns the sum of the silos' updates and none of them.

Each two silos share a secret (X25519); from it both draw the same mask for a question, which one adds and the other
subtracts: in the sum over all silos the masks are gone (Bonawitz et al. 2017, section 4.0.1). Updates are whole numbers
modulo 2**64, so that masked ones are uniform, and say nothing. Nothing is revealed of a silo that drops out, and so the
round needs all of them: who is missing is asked again, and gets no second chance with another mask.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks import storage
from tasks.errors import PromiseError, TidemillError
from tasks.federate.aggregation import flat
from tasks.federate.messages import Arrays, Ask

KEY, PEERS = "mask.key", "peers.json"
LEAST = 3
"""Of two silos each knows the other's update from the sum."""
SCALE = 2.0**24
LARGEST = 2.0**28
"""Of an update times its records: the sum over 2,000 silos stays below 2**63."""
HEX = re.compile(r"[0-9a-f]{64}")

Whole = NDArray[Any]


def public(home: Path) -> str:
    """The public key, as hexadecimal digits, of the secret that never leaves the silo; made when there is none."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    file = home / KEY
    if not file.is_file():
        with storage.atomic(file) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(secrets.token_bytes(32))
    return X25519PrivateKey.from_private_bytes(file.read_bytes()).public_key().public_bytes_raw().hex()


def require_known(home: Path, name: str, question: Ask) -> None:
    """Raises PromiseError when the silos of the question are not those that this silo may hide among.

    The key of a silo that it has met before has to be the same, and the silos of a run stay the same.
    """
    peers = dict(question.peers)
    if len(peers) < LEAST:
        raise PromiseError(f"would hide among {len(peers)} silos, and fewer than {LEAST} give each other away")
    if peers.get(name) != public(home):
        raise PromiseError("is told another key of its own than it has: the server's list of keys is wrong")
    if strange := [peer for peer, key in sorted(peers.items()) if not HEX.fullmatch(str(key))]:
        raise PromiseError(f"is told what is no key of {', '.join(strange)}")
    known = storage.read_json(home / PEERS) if (home / PEERS).is_file() else {"keys": {}, "runs": {}}
    for peer, key in sorted(peers.items()):
        if known["keys"].get(peer, key) != key:
            raise PromiseError(
                f"knows another key of {peer} ({known['keys'][peer][:16]}…) than it is told ({key[:16]}…); ask its "
                f"operator, and if that is right remove {home / PEERS}"
            )
    if known["runs"].get(question.run, peers) != peers:
        raise PromiseError("is asked to hide among other silos than in the rounds before")
    kept = {"keys": {**known["keys"], **peers}, "runs": {**known["runs"], question.run: peers}}
    if kept != known:
        storage.write_json(home / PEERS, kept)


def hidden(home: Path, name: str, question: Ask, update: Arrays, records: int) -> Arrays:
    """The update times its records, as whole numbers, with all masks. Raises TidemillError for one out of range."""
    masked = {}
    masks = _mask(home, name, question, flat(update).size)
    begin = 0
    for array in sorted(update):
        weighted = update[array].astype(np.float64) * records
        if not np.isfinite(weighted).all() or np.abs(weighted).max(initial=0.0) > LARGEST:
            raise TidemillError("its update has values that are no numbers, or too large to be summed")
        whole = np.rint(weighted * SCALE).astype(np.int64).view(np.uint64)
        masked[array] = whole + masks[begin : begin + whole.size].reshape(whole.shape)
        begin += whole.size
    return masked


def require_form(masked: Arrays, like: Arrays) -> None:
    """Raises TidemillError when the arrays are not whole numbers in the shapes of `like`."""
    form = {name: (array.dtype, array.shape) for name, array in masked.items()}
    if form != {name: (np.dtype(np.uint64), array.shape) for name, array in like.items()}:
        raise TidemillError("sent what is no masked update")


def opened(answers: Sequence[Arrays], records: float) -> Arrays:
    """The mean update, weighted by records, from all silos' masked ones."""
    sums = {name: np.stack([answer[name] for answer in answers]).sum(axis=0, dtype=np.uint64) for name in answers[0]}
    return {name: np.asarray(total.view(np.int64) / SCALE / records, np.float32) for name, total in sums.items()}


def digest(question: Ask) -> bytes:
    """sha256 over all of the question: another question, another mask."""
    parts = [question.run, str(question.round), question.plan, *(f"{n}={k}" for n, k in sorted(question.peers.items()))]
    hashed = hashlib.sha256("\n".join(parts).encode())
    for name in sorted(question.arrays):
        hashed.update(f"\n{name} {question.arrays[name].shape}\n".encode() + question.arrays[name].tobytes())
    return hashed.digest()


def _mask(home: Path, name: str, question: Ask, size: int) -> Whole:
    """The sum of the masks that this silo shares with each other one."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

    own = X25519PrivateKey.from_private_bytes((home / KEY).read_bytes())
    context = digest(question)
    total: Whole = np.zeros(size, np.uint64)
    for peer, key in sorted(question.peers.items()):
        if peer == name:
            continue
        shared = own.exchange(X25519PublicKey.from_public_bytes(bytes.fromhex(key)))
        drawn = _drawn(shared, context + "\n".join(sorted((name, peer))).encode(), size)
        total = total + drawn if name < peer else total - drawn
    return total


def _drawn(secret: bytes, context: bytes, size: int) -> Whole:
    """Whole numbers that nobody without the secret can tell from random ones: ChaCha20 under a key for this context."""
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = HKDF(SHA256(), length=32, salt=None, info=context).derive(secret)
    # The key is used for this one stream alone, so that the nonce may be zero.
    stream = Cipher(ChaCha20(key, bytes(16)), mode=None).encryptor().update(bytes(8 * size))
    return np.frombuffer(stream, np.uint64)
