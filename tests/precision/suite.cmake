# Precisions of layers, written anew in NumPy.
find_program(IG_PYTHON3 python3)
add_test(NAME precision COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/check.py --intaglio $<TARGET_FILE:intaglio>)
set_tests_properties(precision PROPERTIES LABELS bits SKIP_RETURN_CODE 77 TIMEOUT 300)
