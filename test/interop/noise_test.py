"""noise.py against the published vectors."""
import json
import os
import unittest

from noise import Handshake, KeyPair

VECTORS = os.path.join(os.path.dirname(__file__), '../vectors/noise-vectors.json')


def side(vector, name, is_initiator):
    def value(key):
        text = vector.get(f'{name}_{key}')
        return bytes.fromhex(text) if text else None

    static, ephemeral = value('static'), value('ephemeral')
    return Handshake(
        vector['protocol_name'], is_initiator, value('prologue') or b'', static and KeyPair(static),
        ephemeral and KeyPair(ephemeral), value('remote_static'),
        [bytes.fromhex(psk) for psk in vector.get(f'{name}_psks', [])])


class Vectors(unittest.TestCase):
    def test_every_message_of_every_vector_is_made_and_read(self):
        with open(VECTORS, encoding='utf-8') as file:
            vectors = json.load(file)['vectors']
        self.assertEqual(len(vectors), 29)
        for vector in vectors:
            with self.subTest(vector['protocol_name'], set=vector['_set']):
                self.run_vector(vector)

    def run_vector(self, vector):
        sides = [side(vector, 'init', True), side(vector, 'resp', False)]
        is_one_way, ciphers = len(sides[0].messages) == 1, None
        for i, message in enumerate(vector['messages']):
            payload, expected = bytes.fromhex(message['payload']), bytes.fromhex(message['ciphertext'])
            sender = 0 if is_one_way else i % 2
            if not sides[0].is_over():
                self.assertEqual(sides[sender].write(payload), expected)
                self.assertEqual(sides[1 - sender].read(expected), payload)
                continue
            ciphers = ciphers or [one.split() for one in sides]
            self.assertEqual(ciphers[sender][0].seal(payload), expected)
            self.assertEqual(ciphers[1 - sender][1].open(expected), payload)
        if 'handshake_hash' in vector:
            self.assertEqual(sides[0].h.hex(), vector['handshake_hash'])
            self.assertEqual(sides[1].h, sides[0].h)


if __name__ == '__main__':
    unittest.main()
