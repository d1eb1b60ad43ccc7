"""An authority for one federation, the server's certificate, and a key pair for each silo (RFC 5280, NIST curves)."""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks import storage
from tasks.errors import TidemillError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, GeneralName, Name

LOOPBACK = ("localhost", "127.0.0.1")
AUTHORITY_DAYS, SERVER_DAYS = 3650, 825
"""Browsers and Apple's libraries refuse a server's certificate that is valid for longer than 825 days."""


@dataclass(frozen=True)
class Certificates:
    """The files of one federation, in one folder. Only `ca.crt` and a silo's own key go to a silo."""

    folder: Path

    @property
    def authority(self) -> Path:
        """What silos trust."""
        return self.folder / "ca.crt"

    @property
    def authority_key(self) -> Path:
        """Signs server certificates; never leaves this machine."""
        return self.folder / "ca.key"

    @property
    def server(self) -> Path:
        """The server's certificate."""
        return self.folder / "server.pem"

    @property
    def server_key(self) -> Path:
        """The server's key."""
        return self.folder / "server.key"

    def silo_key(self, name: str) -> Path:
        """A silo's private key, in OpenSSH form."""
        return self.folder / "silos" / f"{name}.key"

    def silo_public(self, name: str) -> Path:
        """A silo's public key, by which the server knows it."""
        return self.folder / "silos" / f"{name}.pub"

    def silos(self) -> list[str]:
        """The names of the silos that have a public key here."""
        return sorted(file.stem for file in (self.folder / "silos").glob("*.pub"))


def ensure(files: Certificates, hosts: Sequence[str], silos: Sequence[str]) -> list[Path]:
    """The files that were made now: what is there already, and not about to end, is kept."""
    made = [] if files.authority_key.is_file() else _authority(files)
    if made or not _serves(files, hosts):
        made += _server(files, hosts)
    return made + [path for name in silos if not files.silo_public(name).is_file() for path in _silo(files, name)]


def public_key(file: Path) -> bytes:
    """The silo's public key as PEM. Raises TidemillError when it is none on a NIST curve."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

    try:
        key = load_ssh_public_key(file.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise TidemillError(f"{file}: is no OpenSSH public key ({error}); make one: tidemill federate certs") from error
    if not isinstance(key, EllipticCurvePublicKey) or not key.curve.name.startswith("secp"):
        raise TidemillError(f"{file}: is no key on a NIST curve; make one: tidemill federate certs --silo {file.stem}")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _authority(files: Certificates) -> list[Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Tidemill federation")
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = _builder(name, name, key, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
    return _written(certificate, key, files.authority, files.authority_key)


def _server(files: Certificates, hosts: Sequence[str]) -> list[Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    signing = load_pem_private_key(files.authority_key.read_bytes(), None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        raise TidemillError(
            f"{files.authority_key}: is no key of ours; remove the folder {files.folder} and begin anew"
        )
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    names = [_alternative(host) for host in dict.fromkeys([*LOOPBACK, *hosts])]
    builder = _builder(_name("SuperLink"), authority.subject, key, SERVER_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    server_only = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = builder.add_extension(server_only, critical=False).sign(signing, hashes.SHA256())
    return _written(certificate, key, files.server, files.server_key)


def _serves(files: Certificates, hosts: Sequence[str]) -> bool:
    """Whether the server's certificate names all hosts and is valid for another week."""
    from cryptography import x509

    if not files.server.is_file():
        return False
    certificate = x509.load_pem_x509_certificate(files.server.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    left = certificate.not_valid_after_utc - _now()
    return set(map(_alternative, hosts)) <= set(names) and left > dt.timedelta(days=7)


def _silo(files: Certificates, name: str) -> list[Path]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP384R1())
    _write_private(files.silo_key(name), key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    storage.write_bytes(files.silo_public(name), public + b"\n")
    return [files.silo_key(name), files.silo_public(name)]


def _builder(subject: "Name", issuer: "Name", key: "EllipticCurvePrivateKey", days: int) -> "CertificateBuilder":
    from cryptography import x509

    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    begin = _now() - dt.timedelta(minutes=5)  # the clocks of two machines differ
    return builder.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=days))


def _written(certificate: "Certificate", key: "EllipticCurvePrivateKey", public: Path, private: Path) -> list[Path]:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    _write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    storage.write_bytes(public, certificate.public_bytes(Encoding.PEM))
    return [private, public]


def _write_private(path: Path, content: bytes) -> None:
    """For the owner's eyes, from the first byte on."""
    with storage.atomic(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)


def _name(common: str) -> "Name":
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, common)])


def _alternative(host: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
