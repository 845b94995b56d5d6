"""The messages of proto/*.proto. protoc-c only helps to read those files: its descriptors are not C."""
import os
import subprocess

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../proto')
FILES = ('agent.proto', 'node.proto', 'link.proto', 'handshake.proto', 'cert.proto')


def load():
    described = subprocess.run(
        ['protoc-c', f'--proto_path={PROTO}', '--descriptor_set_out=/dev/stdout', *FILES],
        check=True, stdout=subprocess.PIPE).stdout
    files = descriptor_pb2.FileDescriptorSet.FromString(described).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName(name))


message = load()
Ready, GoAway = message('warren.link.Ready'), message('warren.link.GoAway')
Hello = message('warren.agent.Hello')
ToAgent, ToNode = message('warren.node.ToAgent'), message('warren.node.ToNode')
HandshakeHello = message('warren.handshake.Hello')
SignedCert, CertTbs = message('warren.cert.SignedCert'), message('warren.cert.CertTbs')
