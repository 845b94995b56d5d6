// Every limit of the mesh in one place; proto/wire.md and proto/*.proto speak of these.
#pragma once

enum {
    MESH_RECORD_LEN_MAX = 65535,
    MESH_RECORD_LEN_TARGET = 16 << 10,
    MESH_REKEY_RECORDS = 1 << 14, // records under one key
    MESH_REKEY_AFTER_MS = 600000, // and the time, for a link that has little to say
    MESH_FRAME_HEAD_LEN = 9,
    MESH_FRAME_LEN_DEFAULT = 16 << 10, // body of one frame, unless both sides say more
    MESH_FRAME_LEN_MIN = 1 << 10,
    MESH_FRAME_LEN_MAX = MESH_RECORD_LEN_MAX - 64,
    MESH_CONTROL_LEN_MAX = 4 << 10,
    MESH_MESSAGE_LEN_DEFAULT = 1 << 20,
    MESH_MESSAGE_LEN_MIN = 64 << 10,
    MESH_MESSAGE_LEN_MAX = 16 << 20,
    MESH_MESSAGE_HEAD_MAX = 1024, // head of a message, on top of the payload
    MESH_CREDIT_DEFAULT = 1 << 20,
    MESH_STREAM_WINDOW = 64 << 10,    // bytes of items that need no word of their reader
    MESH_STREAM_RAISE_MAX = 32 << 20, // by one GRANT
    MESH_ASSEMBLED_MAX = 64 << 20,    // bytes of unfinished messages, of all links of a process
    MESH_ASSEMBLY_STALE_MS = 30000,   // one that did not grow for so long gives way to others
    MESH_LANE_QUANTUM = 16 << 10,     // bulk bytes that a normal message may find before it
    MESH_LANE_WEIGHT = 4,             // bytes of the normal lane for each one of bulk
    MESH_NAME_LEN_MAX = 255,
    MESH_TAGS_LEN_MAX = 255, // all tags of one entry; also: a key that chooses
    MESH_SUBJECT_TOKENS_MAX = 16,
    MESH_PUB_TARGETS_MAX = 64,
    MESH_SHAPES_MAX = 1024,
    MESH_SHAPE_KEYS_MAX = 32,
    MESH_ENTRIES_MAX = 4096,    // services and subscriptions of one node
    MESH_LEASES_MAX = 256,      // of one node, had or waited for
    MESH_LEASE_KEY_CAP = 320,   // what the agent knows one by, with its end
    MESH_CALLS_MAX = 65536,     // open calls a node made; also: open calls it serves
    MESH_QUEUE_HIGH = 1 << 20,  // bytes waiting in a lane of one peer: publish() says false above
    MESH_QUEUE_LOW = 256 << 10, // 'drain' below
    MESH_QUEUE_MAX =
        8 << 20, // new messages are refused above: so one of any length may still begin
    MESH_PACKET_LEN_MAX = 128 << 10,
    // Hosts of one cluster (mesh/cluster).
    MESH_HOSTS_MAX = 10000,       // known to one agent, those that are down or left included
    MESH_DATAGRAM_LEN_MAX = 1200, // never fragmented on the way
    MESH_HOST_ADDRS_MAX = 4,
    MESH_ZONE_LEN_MAX = 32,
    MESH_RECORD_SIGNED_MAX = 384, // one signed record of gossip
    MESH_WITNESSES_MAX = 4,       // accusers of one host that are remembered
    MESH_ACCUSED_MAX = 5,         // hosts that one accuser has under accusation at a time
    MESH_INTRO_LEN_MAX = 16 << 10,
    MESH_CANDIDATES_MAX = 64,

    // Links between hosts.
    MESH_SILENT_MAX = 64,            // connections that have not knocked yet
    MESH_SILENT_PER_ADDRESS_MAX = 8, // of one IPv4 address or one IPv6 /64
    MESH_KNOCK_TIMEOUT_MS = 3000,
    MESH_GREETINGS_MAX = 64,               // handshakes of one process that others began
    MESH_GREETING_TIMEOUT_MS = 3000,       // whoever answers waits so long
    MESH_NODE_GREETING_TIMEOUT_MS = 15000, // who dials a node: its loop may be busy
    MESH_STRANGER_TIMEOUT_MS = 10000, // a known certificate of a node that we have not heard of yet
    MESH_RECORD_TIMEOUT_MS =
        20000, // a record that has begun is whole by then, or its length was changed
    MESH_DIAL_TIMEOUT_MS = 5000,
    MESH_TCP_TIMEOUT_MS = 15000, // without a sign of life the connection is over
    MESH_PING_AFTER_MS = 5000,   // agents: of silence
    MESH_DEAD_AFTER_MS = 15000,  // agents: of silence
    MESH_AGENT_LINKS_MAX = 4096, // of one agent
    MESH_AGENT_MESSAGE_MAX = 64 << 10,
    MESH_AGENT_QUEUE_MAX = 16 << 20, // bytes that wait for another agent: its link is closed above
};
