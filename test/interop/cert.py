"""Who a host or node is: chains of certificates (proto/cert.proto; proto/wire.md, Identity between hosts)."""
import hashlib
import re
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire_pb import CertTbs, SignedCert

LEN_MAX, TOLERANCE_S = 512, 300
NONE, ISSUER, HOST, NODE, ADMIN = range(5)


class Refused(Exception):
    pass


def need(is_so, what):
    if not is_so:
        raise Refused(what)


def hash16(*parts):
    return hashlib.blake2b(b''.join(parts), digest_size=16).digest()


def node_id(cert):
    """Of a NODE: nobody chooses it, it is made of the host's id and a number."""
    number = cert.node_number.to_bytes(8, 'big')
    return int.from_bytes(hash16(b'warren-node-v1', cert.host_id, number)[:8], 'big')


def parse(kind, data):
    """Strictly: nothing that is not listed, nothing twice or in another form."""
    message = kind.FromString(data)
    need(message.SerializeToString(deterministic=True) == data, 'unknown fields')
    return message


def open_signed(data, signer):
    need(len(data) <= LEN_MAX, 'a certificate is too long')
    signed = parse(SignedCert, data)
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(signed.signature, b'warren-cert-v1\0' + signed.tbs)
    except (InvalidSignature, ValueError):
        return None
    return parse(CertTbs, signed.tbs)


def check_form(cert, host_id):
    need(cert.version == 1, 'version')
    need(len(cert.cluster_id) == len(cert.serial) == len(cert.host_id) == 16, 'a length')
    need(re.fullmatch(r'[A-Za-z0-9_.-]{1,63}', cert.name), 'the name')
    need(len(cert.ed25519) == (0 if cert.role == NODE else 32), 'the signing key')
    need(len(cert.x25519) == (0 if cert.role == ISSUER else 32), 'the link key')
    need((cert.node_number != 0) == (cert.role == NODE), 'the node number')
    need(len(cert.scopes) <= 16 and all(len(scope.encode()) <= 64 for scope in cert.scopes), 'the scopes')
    own_id = host_id if cert.role == NODE else hash16(b'warren-host-v1', cert.ed25519)
    need(cert.host_id == own_id, 'the host id')


def verify(chain, roots, cluster_id, now_s=None):
    """Gives the last certificate of the chain. `Refused` for all else."""
    now_s = time.time() if now_s is None else now_s
    need(2 <= len(chain) <= 3, 'the length of the chain')
    need(any(cluster_id == hash16(b'warren-cluster-v1', root) for root in roots), 'the cluster')
    certs, signers = [], list(roots)
    for data in chain:
        cert = next(filter(None, (open_signed(data, signer) for signer in signers)), None)
        need(cert, 'a signature')
        check_form(cert, certs[-1].host_id if certs else None)
        need(cert.cluster_id == cluster_id, 'the cluster')
        need(cert.not_before_s - TOLERANCE_S <= now_s <= cert.not_after_s + TOLERANCE_S, 'the time')
        certs.append(cert)
        signers = [cert.ed25519]
    roles = [cert.role for cert in certs]
    need(roles in ([ISSUER, HOST], [ISSUER, ADMIN], [ISSUER, HOST, NODE]), 'the roles')
    return certs[-1]
