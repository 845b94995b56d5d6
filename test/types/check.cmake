# Compiles the programs of this folder against runtime/js/index.d.ts with `tsc --strict`. The pinned compiler is
# installed into the build tree once. With the package for npm (NPM), they are compiled against that too, as TypeScript finds
# it in node_modules.
#   cmake -DSOURCE=<repository> -DWORK=<build tree>/types [-DNPM=<build tree>/npm] -P check.cmake
file(COPY ${SOURCE}/test/types/ DESTINATION ${WORK})
file(COPY ${SOURCE}/runtime/js/index.d.ts ${SOURCE}/runtime/js/config.d.ts DESTINATION ${WORK}/runtime/js)
set(tsc ${WORK}/node_modules/typescript/lib/tsc.js)
file(SHA256 ${SOURCE}/test/types/package-lock.json lock)
if(NOT EXISTS ${WORK}/installed-${lock})
  execute_process(COMMAND npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    WORKING_DIRECTORY ${WORK} COMMAND_ERROR_IS_FATAL ANY)
  file(TOUCH ${WORK}/installed-${lock})
endif()
set(projects tsconfig.json)
if(NPM)
  file(REMOVE_RECURSE ${WORK}/node_modules/warren)
  file(COPY ${NPM}/warren DESTINATION ${WORK}/node_modules)
  list(APPEND projects tsconfig.node16.json tsconfig.bundler.json)
endif()
foreach(project ${projects})
  execute_process(COMMAND node ${tsc} --project ${WORK}/${project} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "index.d.ts and its use do not agree (${project}): see above")
  endif()
endforeach()
