# The structure of the source: include directions, who may see LLVM, names and globals of the libraries, lengths of files.
find_program(IG_PYTHON3 python3)
add_test(NAME structure COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --source ${CMAKE_SOURCE_DIR} --libraries $<TARGET_FILE:ig_runtime> $<TARGET_FILE:ig_ir>
  $<TARGET_FILE:ig_frontend> $<TARGET_FILE:ig_onnx> $<TARGET_FILE:ig_passes> $<TARGET_FILE:ig_targets> $<TARGET_FILE:ig_codegen>)
set_tests_properties(structure PROPERTIES LABELS structure)
