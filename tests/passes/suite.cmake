# Golden IR of each pass; run.py INTAGLIO --rewrite rewrites the expectations.
find_program(IG_PYTHON3 python3)
add_test(NAME passes.golden COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py $<TARGET_FILE:intaglio>)
set_tests_properties(passes.golden PROPERTIES LABELS passes)
