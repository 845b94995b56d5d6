# Installs the package from what npm would publish, without a registry, and lays the tests beside it, so that they find it
# as any program does.
#   cmake -DSOURCE=<repository> -DNPM=<build tree>/npm -DOUT=<build tree>/stock -P install.cmake
file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT}/runtime)
file(WRITE ${OUT}/package.json "{ \"private\": true }\n")
file(GLOB packages LIST_DIRECTORIES true ${NPM}/warren*)
execute_process(COMMAND npm pack --silent ${packages} WORKING_DIRECTORY ${OUT} COMMAND_ERROR_IS_FATAL ANY)
file(GLOB archives ${OUT}/*.tgz)
execute_process(COMMAND npm install --offline --ignore-scripts --no-audit --no-fund --loglevel=error ${archives}
  WORKING_DIRECTORY ${OUT} COMMAND_ERROR_IS_FATAL ANY)
foreach(part bench e2e/messages e2e/rules e2e/package stock unit/js)
  file(COPY ${SOURCE}/test/${part}/ DESTINATION ${OUT}/test/${part})
endforeach()
file(CREATE_LINK ../node_modules/warren ${OUT}/runtime/js SYMBOLIC) # where unit/js looks for the package's parts
