# The NumPy oracle, written from docs/numerics.md alone, against the graph interpreter on random graphs.
find_program(IG_PYTHON3 python3)
add_test(NAME oracle COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/check.py --intaglio $<TARGET_FILE:intaglio> --count 200)
set_tests_properties(oracle PROPERTIES LABELS oracle SKIP_RETURN_CODE 77 TIMEOUT 600)
add_test(NAME oracle.native COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/check.py --intaglio $<TARGET_FILE:intaglio> --count 60 --seed 1000 --engine native)
set_tests_properties(oracle.native PROPERTIES LABELS oracle SKIP_RETURN_CODE 77 TIMEOUT 600)
