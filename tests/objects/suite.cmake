# Objects of every target: contents, determinism, linking, and their outputs against the kernel-IR interpreter (natively and under qemu-user).
add_library(kir_cases STATIC ${CMAKE_SOURCE_DIR}/tests/common/kir_cases.c ${CMAKE_SOURCE_DIR}/tests/common/kir_case_build.c
  ${CMAKE_SOURCE_DIR}/tests/common/kir_random.c)
target_link_libraries(kir_cases PRIVATE ig_warnings PUBLIC ig_codegen)
target_link_libraries(test_llvm PRIVATE kir_cases)
target_sources(test_tiles PRIVATE ${CMAKE_SOURCE_DIR}/tests/common/tiles.c)
add_executable(gen_objects ${CMAKE_SOURCE_DIR}/tests/objects/gen_objects.c)
target_link_libraries(gen_objects PRIVATE ig_warnings kir_cases)
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND)
  add_test(NAME objects.contents COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/objects/run.py --gen $<TARGET_FILE:gen_objects>
    --source ${CMAKE_SOURCE_DIR} --work ${CMAKE_CURRENT_BINARY_DIR}/objects)
  add_test(NAME objects.loops COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/objects/loops.py --intaglio $<TARGET_FILE:intaglio>
    --work ${CMAKE_CURRENT_BINARY_DIR}/loops)
  set_tests_properties(objects.contents objects.loops PROPERTIES LABELS objects)
endif()
