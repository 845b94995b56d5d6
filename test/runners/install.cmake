# Installs the pinned test runners, and beside them the package as npm would publish it. The runners once, the package
# each time.
#   cmake -DSOURCE=<repository> -DNPM=<build tree>/npm -DOUT=<build tree>/runners -P install.cmake
file(COPY ${SOURCE}/test/runners/ DESTINATION ${OUT})
file(SHA256 ${SOURCE}/test/runners/package-lock.json lock)
if(NOT EXISTS ${OUT}/installed-${lock})
  execute_process(COMMAND npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    WORKING_DIRECTORY ${OUT} COMMAND_ERROR_IS_FATAL ANY)
  file(TOUCH ${OUT}/installed-${lock})
endif()
file(GLOB packages LIST_DIRECTORIES true ${NPM}/warren*)
foreach(package ${packages})
  get_filename_component(name ${package} NAME)
  file(REMOVE_RECURSE ${OUT}/node_modules/${name})
  file(COPY ${package} DESTINATION ${OUT}/node_modules)
endforeach()
