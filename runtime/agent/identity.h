// Who this host is in its cluster: keys, certificates and secret, from STATE/cluster (vault.h) into
// one struct. Nothing is made up here: without a file, or with a bad one, there is a sentence and
// no identity.
#pragma once

#include "agent/cluster_config.h"
#include "secure/enrol.h"

enum { AGENT_SEED_LEN = 32, AGENT_PEERS_MAX = 16 };

typedef struct agent_identity {
    char vault[AGENT_VAULT_PATH_MAX];
    agent_cluster_config config;
    // For handshakes of the agent: its chain, keys, trust; boot_id is the generation, once started.
    mesh_credentials credentials;
    mesh_signed certs[2]; // issuer, host: what the chain points to
    mesh_bytes chain[2];
    mesh_signer host; // signs its nodes, and its own records
    uint8_t secret[MESH_SECRET_LEN];
    uint8_t gossip_key[MESH_SECRET_LEN], multicast_key[MESH_SECRET_LEN];
    bool is_issuer; // has issuer.key: lets hosts in and renews their certificates
    mesh_signer issuer;
    mesh_signed issuer_cert;
    uint64_t generation;                                   // 0: not started
    char peers[AGENT_PEERS_MAX][MESH_ADDRESS_LEN_MAX + 1]; // where other hosts were last
    size_t peer_count;
} agent_identity;

// Each returns 0, or a negative error and a sentence in `text`.

// Gives what is on disk (agent_identity_free). -ENOENT, with no sentence: this host is in no
// cluster. -EBADMSG: a file is damaged, or missing. An expired certificate is no error here.
int agent_identity_load(const char *state, agent_identity **out, char text[AGENT_VAULT_TEXT_MAX]);
void agent_identity_free(agent_identity *identity); // wipes it; NULL is fine

// For the agent, once per life, before anybody hears of it: renews its certificate if it can do so
// by itself, refuses an expired one, and raises the generation: above the last one, not below the
// wall clock, and on disk when this returns.
int agent_identity_start(agent_identity *identity, uint64_t wall_ms,
                         char text[AGENT_VAULT_TEXT_MAX]);

// A higher one, that membership has begun by itself: on disk when this returns.
int agent_identity_keep_generation(agent_identity *identity, uint64_t generation,
                                   char text[AGENT_VAULT_TEXT_MAX]);

// 0, or MESH_ECERTTIME with a sentence: no other host would take our certificate now.
int agent_identity_judge(const agent_identity *identity, uint64_t now_s,
                         char text[AGENT_VAULT_TEXT_MAX]);
// An issuer signs its own certificate anew when it is time (mesh_cert_renew_at_s of host.cert);
// another host does nothing.
int agent_identity_renew_own(agent_identity *identity, uint64_t now_s,
                             char text[AGENT_VAULT_TEXT_MAX]);
// Keeps a chain that an issuer made for us, when it is for our keys and of our cluster: afterwards
// credentials has it. MESH_ECERT and the like, with a sentence, when it is not.
int agent_identity_take_chain(agent_identity *identity, const mesh_signed chain[2], uint64_t now_s,
                              char text[AGENT_VAULT_TEXT_MAX]);
// An issuer: a new chain for a host that is one of the cluster already (its link's certificate).
int agent_identity_renew_host(const agent_identity *identity, const mesh_cert *host, uint64_t now_s,
                              mesh_signed out[2]);
// Signs the issuer's own certificate anew, for a year from now, with the root key in the file
// `root` (named root.key), and this host's below it. An agent that runs has it after its next
// start.
int agent_identity_renew_issuer(agent_identity *identity, const char *root, uint64_t now_s,
                                char text[AGENT_VAULT_TEXT_MAX]);
// A certificate for a node of this host, 24 hours; the node's chain is `chain` and then this one.
int agent_identity_issue_node(const agent_identity *identity, uint64_t number, const char *name,
                              const uint8_t x25519[MESH_LINK_KEY_LEN], uint64_t now_s,
                              mesh_signed *out);

// The addresses of others (at most AGENT_PEERS_MAX are kept), for the next agent_identity_load. Of
// any thread.
int agent_identity_save_peers(const char *vault, const char *const *addresses, size_t count,
                              char text[AGENT_VAULT_TEXT_MAX]);

typedef struct agent_new_host { // what a host makes before it is in a cluster
    uint8_t sign_seed[AGENT_SEED_LEN], sign_secret[MESH_SIGN_SECRET_LEN],
        link_secret[MESH_LINK_KEY_LEN];
} agent_new_host;

void agent_new_host_make(agent_new_host *out); // wipe it afterwards
// The same of its two secrets, as somebody else made them.
void agent_new_host_take(agent_new_host *out, const uint8_t sign_seed[AGENT_SEED_LEN],
                         const uint8_t link_secret[MESH_LINK_KEY_LEN]);
void agent_new_host_id(const agent_new_host *keys, uint8_t out[MESH_ID_LEN]);

// The first host of a new cluster: makes root, issuer and secret. -EEXIST: this host is in
// one.
int agent_identity_create_cluster(const char *state, const char *name, const agent_new_host *keys,
                                  const agent_cluster_config *config, uint64_t now_s,
                                  char text[AGENT_VAULT_TEXT_MAX]);

// Keeps what the issuer answered (checked by mesh_enrol). -EEXIST: this host is in a cluster.
int agent_identity_create_member(const char *state, const agent_new_host *keys,
                                 const mesh_trust *trust, const mesh_enrol_answer *answer,
                                 const agent_cluster_config *config,
                                 char text[AGENT_VAULT_TEXT_MAX]);
