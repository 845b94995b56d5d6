# package_test(NAME [PROPERTY VALUE]...): test/NAME.test.mjs, a test of the package `warren`, runs in warren-node as NAME.
# stock_test(NAME [PROPERTY VALUE]...): it runs with the package as npm installs it, in each stock Node.js of
# WARREN_TEST_NODES, as stock/nodeMAJOR/NAME. package_test does that too.
set(WARREN_TEST_NODES 20 CACHE STRING "Major versions of the stock Node.js that the package is tested in")

if(WARREN_RUNTIME AND NOT WARREN_SANITIZE)
  add_test(NAME stock/install COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DNPM=${CMAKE_BINARY_DIR}/npm
    -DOUT=${CMAKE_BINARY_DIR}/stock -P ${CMAKE_CURRENT_LIST_DIR}/install.cmake)
  set_tests_properties(stock/install PROPERTIES FIXTURES_SETUP stock)
endif()

function(stock_test name)
  if(WARREN_SANITIZE)
    return()
  endif()
  foreach(major ${WARREN_TEST_NODES})
    set(node /usr/local/lib/warren/nodes/${major}/bin/node) # of tools/setup.sh
    set(test stock/node${major}/${name})
    add_test(NAME ${test} COMMAND ${node} ${CMAKE_BINARY_DIR}/stock/test/${name}.test.mjs WORKING_DIRECTORY ${CMAKE_BINARY_DIR}/stock)
    set_tests_properties(${test} PROPERTIES FIXTURES_REQUIRED stock ENVIRONMENT "WARREN_BIN=$<TARGET_FILE_DIR:warren-node>" ${ARGN})
  endforeach()
endfunction()

function(package_test name)
  add_test(NAME ${name} COMMAND warren-node ${CMAKE_SOURCE_DIR}/test/${name}.test.mjs)
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "WARREN_BIN=$<TARGET_FILE_DIR:warren-node>" ${ARGN})
  stock_test(${name} ${ARGN})
endfunction()
