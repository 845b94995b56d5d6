# Installs the pinned packages into the build tree, once, and lays the programs beside them each time.
#   cmake -DSOURCE=<repository> -DOUT=<build tree>/compat -P install.cmake
file(COPY ${SOURCE}/test/compat/packages/ DESTINATION ${OUT})
file(SHA256 ${SOURCE}/test/compat/packages/package-lock.json lock)
if(NOT EXISTS ${OUT}/installed-${lock})
  execute_process(COMMAND npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    WORKING_DIRECTORY ${OUT} COMMAND_ERROR_IS_FATAL ANY)
  file(TOUCH ${OUT}/installed-${lock})
endif()
