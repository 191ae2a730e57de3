# Bad input: files that lie, missing files, full disks, wrong calls; each with its diagnostic as golden text (run.py --rewrite writes them).
find_program(IG_PYTHON3 python3)
add_test(NAME bad.files COMMAND ${IG_PYTHON3} ${CMAKE_CURRENT_LIST_DIR}/run.py --intaglio $<TARGET_FILE:intaglio>)
set_tests_properties(bad.files PROPERTIES LABELS bad)
