# Same bytes: random graphs and the example models through every engine, emitter and compiler, compared with the graph interpreter.
add_executable(bits_check ${CMAKE_SOURCE_DIR}/tests/bits/check.c ${CMAKE_SOURCE_DIR}/tests/bits/graphgen.c ${CMAKE_SOURCE_DIR}/tests/bits/graphcase.c ${CMAKE_SOURCE_DIR}/tests/bits/graphgen_index.c ${CMAKE_SOURCE_DIR}/tests/bits/graphgen_math.c ${CMAKE_SOURCE_DIR}/tests/bits/graphgen_precision.c ${CMAKE_SOURCE_DIR}/tests/bits/arith.c
  ${CMAKE_SOURCE_DIR}/tests/common/tiles.c)
target_link_libraries(bits_check PRIVATE ig_warnings ig_codegen ig_passes ig_frontend)
foreach(part 0 1)
  add_test(NAME bits.engines.${part} COMMAND bits_check engines ${part} 2 200)
endforeach()
add_test(NAME bits.threads COMMAND bits_check threads 0 1 200)
set_tests_properties(bits.threads PROPERTIES LABELS bits TIMEOUT 900)
add_test(NAME bits.rows COMMAND bits_check engines 16777216 2 60)
set_tests_properties(bits.rows PROPERTIES LABELS bits TIMEOUT 900)
add_test(NAME bits.index COMMAND bits_check engines 33554432 2 100)
set_tests_properties(bits.index PROPERTIES LABELS bits TIMEOUT 900)
add_test(NAME bits.math COMMAND bits_check engines 67108864 2 100)
set_tests_properties(bits.math PROPERTIES LABELS bits TIMEOUT 900)
add_test(NAME bits.precision COMMAND bits_check engines 134217728 1 120)
set_tests_properties(bits.precision PROPERTIES LABELS bits TIMEOUT 900)
find_program(IG_PYTHON3 python3)
set(bits_configs gcc-O0 gcc-O3 gcc-O3-contract clang-O0 clang-O3 aarch64-gcc aarch64-neon aarch64-dotprod aarch64-i8mm x86-64-amx x86-64-amx-c)
foreach(config ${bits_configs})
  add_test(NAME bits.random.${config} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --check $<TARGET_FILE:bits_check> --source ${CMAKE_SOURCE_DIR}
    --work ${CMAKE_CURRENT_BINARY_DIR}/bits-random --count 300 ${config})
endforeach()
foreach(config gcc-O0 aarch64-dotprod)
  add_test(NAME bits.index.${config} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --check $<TARGET_FILE:bits_check> --source ${CMAKE_SOURCE_DIR}
    --work ${CMAKE_CURRENT_BINARY_DIR}/bits-index --first 33554432 --count 40 ${config})
  set_tests_properties(bits.index.${config} PROPERTIES LABELS bits SKIP_RETURN_CODE 77 TIMEOUT 900)
endforeach()
foreach(config gcc-O0 aarch64-neon)
  add_test(NAME bits.precision.${config} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --check $<TARGET_FILE:bits_check> --source ${CMAKE_SOURCE_DIR}
    --work ${CMAKE_CURRENT_BINARY_DIR}/bits-precision --first 134217728 --count 40 ${config})
  set_tests_properties(bits.precision.${config} PROPERTIES LABELS bits SKIP_RETURN_CODE 77 TIMEOUT 900)
endforeach()
# C of vectors of 64 bytes by gcc, which had these graphs wrong.
add_test(NAME bits.random.x86-64-avx512vnni-c COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --check $<TARGET_FILE:bits_check> --source ${CMAKE_SOURCE_DIR}
  --work ${CMAKE_CURRENT_BINARY_DIR}/bits-random --first 1048731 --count 24 x86-64-avx512vnni-c)
set_tests_properties(bits.random.x86-64-avx512vnni-c PROPERTIES LABELS bits SKIP_RETURN_CODE 77 TIMEOUT 600)
foreach(config engines float ${bits_configs})
  add_test(NAME bits.models.${config} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/models.py --check $<TARGET_FILE:bits_check> --intaglio $<TARGET_FILE:intaglio>
    --work ${CMAKE_CURRENT_BINARY_DIR}/bits-models-${config} --samples 50 ${config})
endforeach()
foreach(test engines.0 engines.1)
  set_tests_properties(bits.${test} PROPERTIES LABELS bits TIMEOUT 900)
endforeach()
foreach(config ${bits_configs})
  set_tests_properties(bits.random.${config} PROPERTIES LABELS "bits;slow" SKIP_RETURN_CODE 77 TIMEOUT 1200)
endforeach()
foreach(config engines float ${bits_configs})
  set_tests_properties(bits.models.${config} PROPERTIES LABELS "bits;slow" SKIP_RETURN_CODE 77 TIMEOUT 1200)
endforeach()
# What is quick stays in the fast run.
set_tests_properties(bits.random.gcc-O0 bits.random.aarch64-dotprod bits.random.aarch64-i8mm bits.random.x86-64-amx bits.models.engines PROPERTIES LABELS bits)
# Each of these keeps both cores busy by itself.
set_tests_properties(bits.random.gcc-O3 bits.random.gcc-O3-contract bits.random.clang-O3 bits.random.aarch64-gcc PROPERTIES PROCESSORS 2)
