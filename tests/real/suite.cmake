# The five real models on real data: float against ONNX Runtime, what quantization costs, observers against PyTorch's.
# Data from ../shared (or $IG_SHARED), peers from the Python of $IG_PYTHON; what is missing is a skip.
find_program(IG_PYTHON3 python3)
add_executable(real_observers ${CMAKE_SOURCE_DIR}/tests/real/observers.c)
target_link_libraries(real_observers PRIVATE ig_warnings ig_passes)
foreach(part float accuracy observers metrics weights tune dynamic)
  add_test(NAME real.${part} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/${part}.py $<TARGET_FILE:intaglio> $<TARGET_FILE:real_observers>)
  set_tests_properties(real.${part} PROPERTIES LABELS "real;slow" SKIP_RETURN_CODE 77 TIMEOUT 600)
endforeach()
