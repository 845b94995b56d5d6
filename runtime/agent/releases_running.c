#include "agent/releases_running.h"

#include <stdio.h>

#include "core/mem.h"

typedef struct running {
    char head[AGENT_RELEASES_PATH_MAX]; // of paths in releases
    char (*ids)[DEPLOY_ID_MAX];
    size_t count, cap;
} running;

static void on_node(const Warren__Agent__NodeInfo *info, void *user) {
    running *all = user;
    char id[DEPLOY_ID_MAX];
    size_t len = strlen(all->head);
    if (strncmp(info->entry, all->head, len) != 0) return;
    (void)snprintf(id, sizeof id, "%.16s", info->entry + len);
    if (!deploy_bundle_is_id(id)) return;
    all->ids = mem_grow(all->ids, DEPLOY_ID_MAX, all->count + 1, &all->cap);
    memcpy(all->ids[all->count++], id, sizeof id);
}

void agent_releases_keep_running(agent_releases *releases, const agent_services *services,
                                 const char *dir) {
    running all = {.count = 0};
    (void)snprintf(all.head, sizeof all.head, "%s/releases/", dir);
    agent_services_each(services, on_node, &all);
    const char **ids = mem_alloc(all.count * sizeof(void *));
    for (size_t i = 0; i < all.count; i++)
        ids[i] = all.ids[i];
    agent_releases_keep(releases, "running", ids, all.count);
    free(ids);
    free(all.ids);
}
