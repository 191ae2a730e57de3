# Same bytes: random graphs through every engine and emitter.
add_executable(bits_check ${CMAKE_SOURCE_DIR}/tests/bits/check.c ${CMAKE_SOURCE_DIR}/tests/bits/graphgen.c ${CMAKE_SOURCE_DIR}/tests/bits/arith.c)
target_link_libraries(bits_check PRIVATE ig_warnings ig_codegen ig_passes ig_frontend)
foreach(part 0 1)
  add_test(NAME bits.engines.${part} COMMAND bits_check engines ${part} 2 160)
  set_tests_properties(bits.engines.${part} PROPERTIES LABELS bits TIMEOUT 600)
endforeach()
