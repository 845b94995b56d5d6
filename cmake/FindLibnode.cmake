# Finds libnode (V8 and Node.js as a library), as the target `libnode`: where Debian's libnode-dev puts it,
# else in a prefix of its own that tools/setup.sh fills where apt refuses libnode-dev.
set(WARREN_LIBNODE_PREFIX /usr/local/lib/warren/libnode108/usr CACHE PATH
  "Where libnode is when it is not installed as a package (holds include/, lib/ and share/nodejs/)")

find_path(LIBNODE_INCLUDE_DIR nodejs/src/node.h
  PATHS /usr/include ${WARREN_LIBNODE_PREFIX}/include NO_DEFAULT_PATH)
find_library(LIBNODE_LIBRARY NAMES libnode.so.108 node PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}
  PATHS /usr/lib ${WARREN_LIBNODE_PREFIX}/lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libnode
  REQUIRED_VARS LIBNODE_LIBRARY LIBNODE_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run tools/setup.sh, or configure with -DWARREN_RUNTIME=OFF")

if(Libnode_FOUND AND NOT TARGET libnode)
  # Debian keeps some of Node's own JavaScript in files below /usr/share/nodejs; beside the system, below a root.
  if(LIBNODE_LIBRARY MATCHES "^/usr/lib/")
    set(LIBNODE_ROOT "")
  else()
    string(REGEX REPLACE "/usr/?$" "" LIBNODE_ROOT "${WARREN_LIBNODE_PREFIX}")
  endif()
  add_library(libnode SHARED IMPORTED GLOBAL)
  set_target_properties(libnode PROPERTIES IMPORTED_LOCATION ${LIBNODE_LIBRARY})
  target_include_directories(libnode INTERFACE
    ${LIBNODE_INCLUDE_DIR}/nodejs/src ${LIBNODE_INCLUDE_DIR}/nodejs/deps/v8/include)
  # libnode's own libraries may live beside the system's linker path; the dynamic linker finds them.
  target_link_options(libnode INTERFACE -Wl,--allow-shlib-undefined)
endif()
