# The command line: golden outputs (golden.py --rewrite writes them), and what commands promise of files, exit status, JSON and determinism.
find_program(IG_PYTHON3 python3)
foreach(part golden behaviour tuning)
  add_test(NAME cli.${part} COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/${part}.py --intaglio $<TARGET_FILE:intaglio> --source ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli.${part} PROPERTIES LABELS cli SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME cli.models COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/models.py --intaglio $<TARGET_FILE:intaglio> --source ${CMAKE_SOURCE_DIR})
set_tests_properties(cli.models PROPERTIES LABELS "cli;slow" SKIP_RETURN_CODE 77 TIMEOUT 900)
