// Addresses as the system has them, and as the mesh does.
#pragma once

#include <sys/socket.h>

#include "cluster/addr.h"

socklen_t mesh_sockaddr_of(const mesh_addr *addr, struct sockaddr_storage *out); // its length
mesh_addr mesh_sockaddr_addr(const struct sockaddr *from); // AF_INET or AF_INET6
